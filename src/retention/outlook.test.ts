import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { NOW, rules, stateOf, TAGS, times } from '../../test/support/retention.ts';
import { ANONYMOUS_CALLER, openAccess } from '../access/access.ts';
import type { RepositoryName, Tag } from '../oci/names.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { RETENTION_OUTLOOK } from '../storage/paths.ts';
import { Explanations } from './explanations.ts';
import { Matches } from './matches.ts';
import { MAX_OUTLOOK_TAGS, type Outlook, OutlookCollector } from './outlook.ts';
import { planFor } from './plan.ts';
import type { Rule } from './policy.ts';
import { parsePolicy } from './policy-file.ts';
import { shownOutlook } from './shown-outlook.ts';
import { decodeOutlook, encodeOutlook, StoredOutlook, saveOutlook } from './stored-outlook.ts';

const A = 'team/a' as RepositoryName;
const B = 'team/b' as RepositoryName;
const everything = (): boolean => true;

/** What would be computed for repositories whose tags were pushed at these times. */
function outlookOf(
  rule: Rule,
  pushed: readonly (readonly [RepositoryName, readonly number[]])[],
  pulledAt: (tag: Tag) => number = () => 0,
): Outlook {
  const collector = new OutlookCollector([rule]);
  for (const [repo, each] of pushed)
    collector.add(repo, stateOf(each), rule, new Matches(rule), { now: NOW, pulledAt });
  return collector.outlook(NOW);
}

function ruleOf(text: string): Rule {
  return parsePolicy(`rules: [{name: rule, repositories: ['**'], ${text}}]`).rules[0] ?? expect.unreachable();
}

test('what would go is what a run deletes, by every kind of rule', () => {
  fc.assert(
    fc.property(rules, times, times, (rule, pushed, pulled) => {
      const pulledAt = (tag: Tag): number => pulled[TAGS.indexOf(tag)] ?? 0;
      const removals = planFor(stateOf(pushed), rule, new Matches(rule), { now: NOW, pulledAt });
      const removed = removals.flatMap((each) => (each.kind === 'tag' ? [each.tag] : []));
      const { repositories, tags } = outlookOf(rule, [[A, pushed]], pulledAt);
      expect(repositories).toMatchObject([
        { repo: A, going: removed.length, untagged: { count: removals.length - removed.length } },
      ]);
      expect(new Set(tags.flatMap(({ tag, goes }) => (goes === 'now' ? [tag] : [])))).toEqual(new Set(removed));
      const later = planFor(stateOf(pushed), rule, new Matches(rule), { now: NOW + 1e9, pulledAt });
      const ends = tags.flatMap(({ tag, goes }) => (goes === 'push' ? [] : [tag]));
      const gone = later.flatMap((each) => (each.kind === 'tag' ? [each.tag] : []));
      expect(new Set(ends)).toEqual(new Set(gone));
    }),
    { numRuns: 500 },
  );
});

test('a tag that the next push displaces is named, with the entry that kept it until then', () => {
  // A time that is divisible by three leaves the tag out: there are v1, v2, main and nightly.
  const pushed = [1_000, 2_000, 0, 4_000, 5_000];
  const upcoming = (text: string) =>
    outlookOf(ruleOf(text), [[A, pushed]]).tags.map(({ tag, goes, entry }): unknown[] => [tag, goes, entry]);
  expect(upcoming("keep: [{tags: ['v*'], newest: 2}, {tags: [main, nightly]}]")).toEqual([['v1', 'push', 1]]);
  expect(upcoming("keep: [{tags: ['v*'], newest: 3}, {tags: [main, nightly]}]")).toEqual([]);
  expect(upcoming("keep: [{tags: ['v*'], newest: 2}, {tags: ['*']}]")).toEqual([]);
  expect(upcoming("keep: [{tags: ['v*'], newest: 2}, {pushedWithin: 5s}]")).toEqual([
    ['main', 'now', 0],
    ['nightly', { at: 10_000 }, 2],
    ['v1', 'push', 1],
  ]);
});

test('sums by rule and the tags that go first are of the repositories that the caller may list', () => {
  const rule = ruleOf("keep: [{tags: ['v*'], newest: 1}, {tags: [main]}], deleteUntagged: 1s");
  const outlook = outlookOf(rule, [
    [A, [1_000, 2_000, 0, 4_000, 5_000]],
    [B, [1_000, 0, 0, 0, 0]],
  ]);
  const all = shownOutlook(outlook, everything, 1);
  expect(all).toMatchObject({
    ...{ kind: 'known', computedAt: NOW, more: true },
    rules: [{ repositories: 2, tags: 5, going: 2, keptBy: [2, 1] }],
    tags: [{ repo: A, goes: 'now', rule: 'rule', because: undefined }],
  });
  const some = shownOutlook(outlook, (repo) => repo === B, 10);
  expect(some).toMatchObject({
    rules: [{ repositories: 1, tags: 1, going: 0, keptBy: [1, 0] }],
    ...{ tags: [{ repo: B, tag: 'v1', goes: 'push', because: { tags: ['v*'] } }], more: false },
  });
  expect(shownOutlook(outlook, () => false, 10)).toMatchObject({ rules: [], tags: [], more: false });
});

test('it is stored as it is, and what cannot be read counts as not computed', async () => {
  await fc.assert(
    fc.asyncProperty(rules, times, async (rule, pushed) => {
      const outlook = outlookOf(rule, [
        [A, pushed],
        [B, pushed],
      ]);
      expect(await decodeOutlook(await encodeOutlook(outlook))).toEqual(outlook);
    }),
    { numRuns: 50 },
  );
  const driver = new MemoryDriver();
  const stored = new StoredOutlook(driver);
  await stored.refresh();
  expect(stored.outlook).toBeUndefined();
  const outlook = outlookOf(ruleOf('keep: [{newest: 1}]'), [[A, [1, 2, 4, 5, 7]]]);
  await saveOutlook(driver, outlook);
  await stored.refresh();
  expect(stored.outlook).toEqual(outlook);
  const { outlook: first } = stored;
  await stored.refresh();
  expect(stored.outlook).toBe(first);
  await driver.put(RETENTION_OUTLOOK, new TextEncoder().encode('{"v":1}'));
  await stored.refresh();
  expect(stored.outlook).toBeUndefined();
});

test('its memory is bounded: of many repositories the tags that go first stay', () => {
  const rule = ruleOf('keep: [{pushedWithin: 1h}]');
  const collector = new OutlookCollector([rule]);
  const count = MAX_OUTLOOK_TAGS;
  for (let each = 0; each < count; each++) {
    // Later repositories go earlier.
    const pushed = [1 + 3 * (count - each), 1 + 3 * (count - each), 0, 0, 0];
    const repo = `team/r${each}` as RepositoryName;
    collector.add(repo, stateOf(pushed), rule, new Matches(rule), { now: NOW, pulledAt: () => 0 });
  }
  const { tags, repositories } = collector.outlook(NOW);
  expect([tags.length, repositories.length, String(tags[0]?.repo)]).toEqual([count, count, `team/r${count - 1}`]);
});

test('without rules that delete, and for callers who may see nothing, nothing is computed', async () => {
  let asked = 0;
  const outlook = async (): Promise<undefined> => void asked++;
  const ports = {
    ...{ ruleFor: () => undefined, now: () => NOW, yieldToRequests: async () => {} },
    stateOf: async () => stateOf([]),
    pulls: async () => () => () => 0,
  };
  const open = new Explanations({ ...ports, access: openAccess });
  expect(await open.outlook(1, ANONYMOUS_CALLER)).toEqual({ kind: 'no-rules' });
  const blind = new Explanations({ ...ports, outlook, access: { ...openAccess, maySeeAny: () => false } });
  expect([await blind.outlook(1, ANONYMOUS_CALLER), asked]).toEqual([{ kind: 'no-rules' }, 0]);
  const ruled = new Explanations({ ...ports, outlook, access: openAccess });
  expect([await ruled.outlook(1, ANONYMOUS_CALLER), asked]).toEqual([{ kind: 'not-yet' }, 1]);
});
