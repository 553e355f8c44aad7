import { expect, test } from 'bun:test';
import { FEW } from '../../test/support/generators.ts';
import { REPO } from '../../test/support/slots.ts';
import { ANONYMOUS_CALLER, openAccess } from '../access/access.ts';
import { RepositoryState } from '../journal/fold.ts';
import { OCI_MANIFEST } from '../oci/media-types.ts';
import { Patterns } from '../rule-file/patterns.ts';
import { Explanations } from './explanations.ts';
import type { Rule } from './policy.ts';

const [inc = expect.unreachable()] = FEW.incarnations;
const [digest = expect.unreachable()] = FEW.manifests;
const [tag = expect.unreachable()] = FEW.tags;

function stateWithTag(): RepositoryState {
  const state = new RepositoryState();
  state.exists = true;
  state.restoreManifest(digest, { size: 1, inc, mediaType: OCI_MANIFEST, refs: [], at: 0 });
  state.tags.set(tag, digest);
  state.tagTimes.set(tag, 0);
  return state;
}

function ruleFor(duration: number): Rule {
  const keep = [{ tags: new Patterns(['*']), which: { kind: 'pushed-within', duration } as const }];
  const repositories = new Patterns(['**']);
  return { name: 'rule', repositories, immutable: undefined, keep, deleteUntagged: undefined };
}

test('the fates of a repository are found once in five seconds, unless it or its rule changes', async () => {
  let [now, state, rule, found] = [0, stateWithTag(), ruleFor(10_000), 0];
  const explanations = new Explanations({
    access: openAccess,
    ruleFor: () => rule,
    stateOf: async () => state,
    pulls: async () => {
      found++;
      return () => () => 0;
    },
    yieldToRequests: async () => {},
    now: () => now,
  });
  const isKept = async (): Promise<boolean | undefined> =>
    (await explanations.review(REPO, [tag], ANONYMOUS_CALLER)).fates.get(tag)?.isKept;
  expect(await Promise.all([isKept(), isKept(), isKept()])).toEqual([true, true, true]);
  await explanations.explain(REPO, { text: '', offset: 0, limit: 10 }, ANONYMOUS_CALLER);
  expect(found).toBe(1);
  now = 5_000;
  expect([await isKept(), found]).toEqual([true, 2]);
  state = stateWithTag();
  expect([await isKept(), found]).toEqual([true, 3]);
  rule = ruleFor(1);
  expect([await isKept(), found]).toEqual([false, 4]);
});

test('what could not be found is looked for again', async () => {
  const state = stateWithTag();
  let isBroken = true;
  const explanations = new Explanations({
    access: openAccess,
    ruleFor: () => ruleFor(1),
    stateOf: async () => state,
    pulls: async () => {
      if (isBroken) throw new Error('the store does not answer');
      return () => () => 0;
    },
    yieldToRequests: async () => {},
    now: () => 10,
  });
  const review = () => explanations.review(REPO, [tag], ANONYMOUS_CALLER);
  await expect(review()).rejects.toThrow('does not answer');
  isBroken = false;
  expect((await review()).going).toBe(1);
});
