import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { foldOf, slotsOf, slotTime } from '../../test/support/slots.ts';
import type { JournalEvent } from '../journal/events.ts';
import type { RepositoryState } from '../journal/fold.ts';
import { digestFromHex } from '../oci/digest.ts';
import { OCI_INDEX } from '../oci/media-types.ts';
import type { Digest, Incarnation, Tag } from '../oci/names.ts';
import { Matches } from './matches.ts';
import { type PulledAt, planFor, type Removal } from './plan.ts';
import type { Rule } from './policy.ts';
import { parsePolicy } from './policy-file.ts';

const SECOND = 1_000;
const never: PulledAt = () => Number.NEGATIVE_INFINITY;
const manifest = (number: number): Digest => digestFromHex('sha256', number.toString(16).padStart(64, '0'));
const blob = (number: number): Digest => digestFromHex('sha256', `b${number.toString(16).padStart(63, '0')}`);
const inc = (number: number) => number.toString().padStart(26, '0') as Incarnation;
const tag = (name: string) => name as Tag;

function ruleOf(text: string): Rule {
  const rule = parsePolicy(`rules: [{repositories: ['**'], ${text}}]`).rules[0];
  if (rule === undefined) throw new Error('no rule');
  return rule;
}

function put(number: number, refs: readonly Digest[] = [], subject?: number): JournalEvent {
  const optional = subject === undefined ? {} : { subject: manifest(subject) };
  const digest = manifest(number);
  return {
    type: 'manifest.put',
    digest,
    size: 100,
    inc: inc(number),
    mediaType: OCI_INDEX,
    refs: [...refs],
    ...optional,
  };
}
const set = (name: string, number: number): JournalEvent => ({
  type: 'tag.set',
  tag: tag(name),
  digest: manifest(number),
});
const untag = (name: string, number: number): JournalEvent => ({
  type: 'tag.deleted',
  tag: tag(name),
  prev: manifest(number),
});

function plan(state: RepositoryState, rule: Rule, now: number, pulledAt = never): Removal[] {
  return planFor(state, rule, new Matches(rule), { now, pulledAt });
}

/** In short: names of tags, and numbers of manifests. */
function goes(batches: readonly JournalEvent[][], text: string, now: number, pulledAt = never): (string | number)[] {
  return plan(foldOf(slotsOf(batches)), ruleOf(text), now, pulledAt).map((each) =>
    each.kind === 'tag' ? each.tag : Number.parseInt(each.digest.slice(-8), 16),
  );
}

describe('tags', () => {
  /** Set one a second. */
  const pushed = ['v1', 'a', 'v2', 'b', 'v3'].map((name) => [put(1), set(name, 1)]);

  test.each([
    ['deleteUntagged: 1s', []],
    ["keep: [{tags: ['*']}]", []],
    ["keep: [{tags: ['v*']}]", ['a', 'b']],
    ['keep: [{newest: 2}]', ['v1', 'a', 'v2']],
    ["keep: [{newest: 1, tags: ['v*']}, {tags: [a]}]", ['v1', 'v2', 'b']],
    ['keep: [{newest: 9}]', []],
    ['keep: [{pushedWithin: 3s}]', ['v1']],
    ["keep: [{pushedWithin: 1s, tags: ['v*']}]", ['v1', 'a', 'v2', 'b']],
    ["keep: [{tags: [b]}], immutable: {tags: ['v*'], except: [v2]}", ['a', 'v2']],
  ] as const)('%s', (text, expected) => {
    expect(goes(pushed, text, slotTime(5))).toEqual([...expected]);
  });

  test('of which none is newer are all kept or none', () => {
    const together = [[put(1), set('a', 1), set('b', 1), set('c', 1)], [set('d', 1)]];
    expect(goes(together, 'keep: [{newest: 2}]', slotTime(9))).toEqual([]);
    expect(goes(together, 'keep: [{newest: 1}]', slotTime(9))).toEqual(['a', 'b', 'c']);
  });

  test('that were pushed again are as new as that, those of the same digest too', () => {
    const again = [[put(1), set('a', 1)], [set('b', 1)], [set('a', 1)]];
    expect(goes(again, 'keep: [{newest: 1}]', slotTime(9))).toEqual(['b']);
  });

  test('are kept as long as they are pulled, by the tag or by its digest; a push counts as a pull', () => {
    const now = slotTime(100);
    const rule = 'keep: [{pulledWithin: 10s}]';
    const batches = [[put(1), set('a', 1), put(2), set('b', 2)]];
    expect(goes(batches, rule, slotTime(11))).toEqual([]);
    expect(goes(batches, rule, now)).toEqual(['a', 'b']);
    const pulledAt: PulledAt = (name, digest) => (name === 'a' || digest === manifest(9) ? now - 10 * SECOND : 0);
    expect(goes(batches, rule, now, pulledAt)).toEqual(['b']);
    expect(goes(batches, rule, now + 1, pulledAt)).toEqual(['a', 'b']);
  });
});

describe('manifests', () => {
  const rule = 'deleteUntagged: 10s';

  test('go when they have had no tag for long enough: since they were put, or lost the last tag', () => {
    const batches = [[put(1)], [put(2), set('a', 2), set('b', 2)], [set('a', 1)], [untag('b', 2)], [set('a', 2)]];
    expect(goes(batches, rule, slotTime(15))).toEqual([]);
    expect(goes(batches, rule, slotTime(15) + 1)).toEqual([1]);
    expect(goes(batches, 'keep: [{tags: [x]}]', slotTime(1_000))).toEqual(['a']);
    // The tag that goes leaves its manifest for as long.
    expect(goes(batches, `keep: [{tags: [x]}], ${rule}`, slotTime(1_000))).toEqual(['a', 1]);
  });

  test('stay as parts of an index that stays, however deep, and so do referrers, whatever they refer to themselves', () => {
    const batches = [
      [
        put(5),
        put(4, [manifest(5)]),
        put(3, [manifest(4)]),
        put(6, [], 5),
        put(7, [], 6),
        put(8, [manifest(9)], 5),
        put(9),
      ],
      [set('a', 3)],
    ];
    expect(goes(batches, rule, slotTime(1_000))).toEqual([]);
    expect(goes([...batches, [untag('a', 3)]], rule, slotTime(13))).toEqual([]);
    const gone = goes([...batches, [untag('a', 3)]], rule, slotTime(13) + 1);
    expect(gone.slice(0, 3)).toEqual([3, 4, 5]);
    expect(gone.slice(3).sort()).toEqual([6, 7, 8, 9]);
  });

  test('follow their subject; one that is young stays a while longer, and keeps no subject', () => {
    const batches = [
      [put(1), set('a', 1), put(2, [], 1)],
      [untag('a', 1)],
      ...Array(9).fill([put(9)]),
      [put(3, [], 1)],
    ];
    expect(goes(batches, rule, slotTime(12) + 1).sort()).toEqual([1, 2]);
    // A tag of its own keeps a referrer, too, and nothing but it.
    expect(goes([...batches, [set('sig', 2)]], rule, slotTime(30)).sort()).toEqual([1, 3, 9]);
  });

  test('of a subject that was deleted go as long after it', () => {
    const deleted: JournalEvent = { type: 'manifest.deleted', digest: manifest(1), inc: inc(1) };
    const batches = [
      [put(1), set('a', 1), put(2, [], 1)],
      [put(9), set('b', 9)],
      [untag('a', 1), deleted],
    ];
    expect(goes(batches, rule, slotTime(13))).toEqual([]);
    expect(goes(batches, rule, slotTime(13) + 1)).toEqual([2]);
  });

  test('weigh what nothing else refers to', () => {
    const link = (number: number, size: number): JournalEvent => ({
      ...{ type: 'blob.linked', digest: blob(number), size, inc: inc(90 + number) },
    });
    const batches = [
      [link(1, 1_000), link(2, 2_000), link(3, 4_000)],
      [put(1, [blob(1), blob(2), blob(2)]), put(2, [blob(2)]), put(3, [blob(3)]), set('a', 3), put(4, [blob(3)])],
    ];
    const removals = plan(foldOf(slotsOf(batches)), ruleOf(rule), slotTime(1_000));
    expect(
      removals.map((each) => (each.kind === 'manifest' ? each.bytes : 0)).reduce((sum, bytes) => sum + bytes),
    ).toBe(3 * 100 + 1_000 + 2_000);
  });
});

/** Manifests that refer to later ones only, as digests make it be; some subjects, tags that come and go. */
const repositories = fc
  .record({
    manifests: fc.array(
      fc.record({
        refs: fc.array(fc.nat({ max: 5 }), { maxLength: 3 }),
        subject: fc.option(fc.nat({ max: 5 }), { nil: undefined }),
        name: fc.option(fc.constantFrom('a', 'b', 'v1', 'v2'), { nil: undefined }),
      }),
      { minLength: 1, maxLength: 12 },
    ),
    gone: fc.array(fc.constantFrom('a', 'b', 'v1', 'v2'), { maxLength: 2 }),
  })
  .map(({ manifests, gone }) => {
    const batches = manifests.map(({ refs, subject, name }, index): JournalEvent[] => {
      const number = manifests.length - index;
      const parts = refs
        .map((step) => manifest(number + 1 + step))
        .filter((each) => each <= manifest(manifests.length));
      // The subject would keep it alive, so it has the smaller number.
      const above = subject === undefined ? undefined : number - 1 - subject;
      const event = put(number, [...parts, blob(number % 3)], above !== undefined && above > 0 ? above : undefined);
      return name === undefined ? [event] : [event, set(name, number)];
    });
    return [...batches, ...gone.map((name) => [untag(name, 1)])];
  });

const rules = fc
  .record({
    keep: fc.option(
      fc.constantFrom(
        '[{newest: 1}]',
        "[{tags: ['v*']}]",
        "[{tags: [a]}, {newest: 1, tags: ['v*']}]",
        '[{pushedWithin: 3s}]',
      ),
      { nil: undefined },
    ),
    untagged: fc.option(fc.constantFrom('1s', '4s', '1d'), { nil: undefined }),
    immutable: fc.boolean(),
  })
  .map(({ keep, untagged, immutable }) =>
    ruleOf(
      [
        keep === undefined ? 'name: x' : `keep: ${keep}`,
        ...(untagged === undefined ? [] : [`deleteUntagged: ${untagged}`]),
        ...(immutable ? ['immutable: {tags: [v1]}'] : []),
      ].join(', '),
    ),
  );

function eventsOf(removals: readonly Removal[]): JournalEvent[] {
  return removals.map((each) =>
    each.kind === 'tag'
      ? { type: 'tag.deleted', tag: each.tag, prev: each.digest }
      : { type: 'manifest.deleted', digest: each.digest, inc: each.inc },
  );
}

describe('any plan', () => {
  test('carried out in part or whole, leaves nothing without what it had, and then has nothing left to do', () => {
    fc.assert(
      fc.property(repositories, rules, fc.nat({ max: 20 }), fc.nat(), (batches, rule, later, part) => {
        const before = foldOf(slotsOf(batches));
        const now = slotTime(batches.length + later);
        const removals = plan(before, rule, now);
        const some = removals.slice(0, part % (removals.length + 1));
        const after = foldOf(slotsOf([...batches, ...Array(later).fill([put(999)]), eventsOf(some)]));
        for (const digest of after.manifests.keys()) {
          for (const ref of before.manifest(digest)?.refs ?? [])
            expect([digest, ref, after.manifests.has(ref)]).toEqual([digest, ref, before.manifests.has(ref)]);
          const referrers = before.referrers.get(digest) ?? [];
          expect([...(after.referrers.get(digest) ?? [])].sort()).toEqual([...referrers].sort());
        }
        const removed = new Set(some.flatMap((each) => (each.kind === 'tag' ? [each.tag] : [])));
        for (const [name, digest] of before.tags) expect(after.tag(name)).toBe(removed.has(name) ? undefined : digest);
        if (some.length === removals.length && later > 0) expect(plan(after, rule, now)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test('takes no tag that is immutable, no manifest that has a tag, and none whose time has not come', () => {
    fc.assert(
      fc.property(repositories, rules, fc.nat({ max: 20 }), (batches, rule, later) => {
        const state = foldOf(slotsOf(batches));
        const now = slotTime(batches.length + later);
        for (const removal of plan(state, rule, now)) {
          if (removal.kind === 'tag') {
            expect(rule.immutable !== undefined && removal.tag === 'v1').toBe(false);
            continue;
          }
          expect(state.tagsOf(removal.digest)).toEqual([]);
          expect(now - (state.untaggedSince(removal.digest) ?? now)).toBeGreaterThan(rule.deleteUntagged ?? Infinity);
        }
      }),
      { numRuns: 500 },
    );
  });
});
