import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { NOW, rules, stateOf, TAGS, times } from '../../test/support/retention.ts';
import type { Tag } from '../oci/names.ts';
import { fatesOf, manifestsThatGo } from './explain.ts';
import { Matches } from './matches.ts';
import { planFor } from './plan.ts';

test('a tag goes exactly when the plan deletes it, now and at the time that is announced', () => {
  fc.assert(
    fc.property(rules, times, times, (rule, pushed, pulled) => {
      const state = stateOf(pushed);
      const matches = new Matches(rule);
      const pulledAt = (tag: Tag): number => pulled[TAGS.indexOf(tag)] ?? 0;
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
