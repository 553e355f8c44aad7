import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { FEW } from '../../test/support/generators.ts';
import { RepositoryState } from '../journal/fold.ts';
import { OCI_MANIFEST } from '../oci/media-types.ts';
import type { Tag } from '../oci/names.ts';
import { Patterns } from '../rule-file/patterns.ts';
import { fatesOf, manifestsThatGo } from './explain.ts';
import { Matches } from './matches.ts';
import { planFor } from './plan.ts';
import type { Keep, Rule, Which } from './policy.ts';

const NOW = 10_000;
const names = ['v1', 'v2', 'v3', 'main', 'nightly'].map((name) => name as Tag);
const patterns = fc.constantFrom('*', 'v*', 'main', 'n*').map((text) => new Patterns([text]));
const durations = fc.integer({ min: 1, max: 9_000 });
const which: fc.Arbitrary<Which> = fc.oneof(
  fc.constant({ kind: 'all' as const }),
  fc.record({ kind: fc.constant('newest' as const), count: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant('pushed-within' as const), duration: durations }),
  fc.record({ kind: fc.constant('pulled-within' as const), duration: durations }),
);
const keeps: fc.Arbitrary<Keep[]> = fc.array(fc.record({ tags: patterns, which }), { minLength: 1, maxLength: 3 });
const rules: fc.Arbitrary<Rule> = fc.record({
  name: fc.constant('rule'),
  repositories: fc.constant(new Patterns(['*'])),
  immutable: fc.option(
    patterns.map((tags) => ({ tags, except: new Patterns(['main']) })),
    { nil: undefined },
  ),
  keep: fc.option(keeps, { nil: undefined }),
  deleteUntagged: fc.option(durations, { nil: undefined }),
});
const times = fc.array(fc.integer({ min: 0, max: NOW }), { minLength: names.length, maxLength: names.length });

function stateOf(pushed: readonly number[]): RepositoryState {
  const state = new RepositoryState();
  for (const [index, tag] of names.entries()) {
    const digest = FEW.manifests[index % FEW.manifests.length];
    if (digest === undefined) continue;
    const at = pushed[index] ?? 0;
    const [inc = expect.unreachable()] = FEW.incarnations;
    if (state.manifest(digest) === undefined) {
      state.restoreManifest(digest, { size: 1, inc, mediaType: OCI_MANIFEST, refs: [], at });
    }
    if (at % 3 === 0) continue;
    state.tags.set(tag, digest);
    state.tagTimes.set(tag, at);
  }
  return state;
}

test('a tag goes exactly when the plan deletes it, now and at the time that is announced', () => {
  fc.assert(
    fc.property(rules, times, times, (rule, pushed, pulled) => {
      const state = stateOf(pushed);
      const matches = new Matches(rule);
      const pulledAt = (tag: Tag): number => pulled[names.indexOf(tag)] ?? 0;
      const removedAt = (now: number): Set<Tag> =>
        new Set(
          planFor(state, rule, matches, { now, pulledAt }).flatMap((each) => (each.kind === 'tag' ? [each.tag] : [])),
        );
      const fates = fatesOf(state, rule, matches, { now: NOW, pulledAt });
      const removed = removedAt(NOW);
      expect(new Set(fates.filter(({ isKept }) => !isKept).map(({ tag }) => tag))).toEqual(removed);
      for (const { tag, isKept, until } of fates) {
        if (until === undefined) expect(removedAt(NOW + 1_000_000).has(tag)).toBe(false);
        else if (isKept) expect([removedAt(until).has(tag), removedAt(until + 1).has(tag)]).toEqual([false, true]);
      }
      const ends = fates.map(({ until }) => until ?? Number.POSITIVE_INFINITY);
      expect(ends).toEqual([...ends].sort((one, other) => one - other));
    }),
    { numRuns: 1_000 },
  );
});

test('without a rule everything is kept, and untagged manifests go when the plan deletes them', () => {
  fc.assert(
    fc.property(rules, times, (rule, pushed) => {
      const state = stateOf(pushed);
      const matches = new Matches(rule);
      const at = { now: NOW, pulledAt: () => 0 };
      expect(fatesOf(state, undefined, matches, at).every(({ isKept, until }) => isKept && until === undefined)).toBe(
        true,
      );
      const planned = planFor(state, rule, matches, at).flatMap((each) =>
        each.kind === 'manifest' ? [each.digest] : [],
      );
      expect(manifestsThatGo(state, rule, matches, at).map(({ digest }) => digest)).toEqual(planned);
    }),
  );
});
