import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { FEW } from '../../test/support/generators.ts';
import { RepositoryState } from '../journal/fold.ts';
import { OCI_MANIFEST } from '../oci/media-types.ts';
import { Patterns } from '../rule-file/patterns.ts';
import { unkeptWithout } from './consequences.ts';
import { Matches } from './matches.ts';
import { planFor } from './plan.ts';

const [inc = expect.unreachable()] = FEW.incarnations;
const [least = expect.unreachable()] = FEW.tags;
const rule = {
  ...{ name: 'rule', repositories: new Patterns(['*']), immutable: undefined, keep: undefined },
  deleteUntagged: 1,
};

/** Which of the blobs and of the earlier manifests each manifest refers to, its subject, and the tags of each. */
const graphs = fc.array(
  fc.record({
    blobs: fc.subarray([...FEW.blobs]),
    parts: fc.subarray([0, 1, 2, 3]),
    subject: fc.option(fc.nat({ max: 3 }), { nil: undefined }),
    tags: fc.subarray([...FEW.tags]),
  }),
  { minLength: 1, maxLength: FEW.manifests.length },
);

function stateOf(graph: typeof graphs extends fc.Arbitrary<infer Graph> ? Graph : never): RepositoryState {
  const state = new RepositoryState();
  for (const digest of FEW.blobs) state.restoreBlob(digest, { size: 10, inc, since: 0 });
  for (const [at, { blobs, parts, subject, tags }] of graph.entries()) {
    const digest = FEW.manifests[at] ?? expect.unreachable();
    const refs = [...blobs, ...parts.flatMap((part) => (part < at ? (FEW.manifests[part] ?? []) : []))];
    const about = subject !== undefined && subject < at ? { subject: FEW.manifests[subject] ?? digest } : {};
    state.restoreManifest(digest, { size: 1, inc, mediaType: OCI_MANIFEST, refs, at: 0, ...about });
    for (const tag of tags) state.tags.set(tag, digest);
  }
  return state;
}

const removedFrom = (state: RepositoryState) =>
  planFor(state, rule, new Matches(rule), { now: 1_000, pulledAt: () => 0 }).flatMap((each) =>
    each.kind === 'manifest' ? [each] : [],
  );

test('what loses its last tag is what retention deletes later, if everything was kept before', () => {
  let compared = 0;
  fc.assert(
    fc.property(graphs, fc.subarray([...FEW.tags]), (graph, deleted) => {
      const state = stateOf(graph);
      const before = new Set(removedFrom(state).map(({ digest }) => digest));
      const { manifests, bytes } = unkeptWithout(state, deleted);
      for (const tag of deleted) state.tags.delete(tag);
      const after = removedFrom(state);
      expect([...manifests].filter((digest) => before.has(digest))).toEqual([]);
      if (before.size > 0) return;
      compared++;
      expect(manifests).toEqual(new Set(after.map(({ digest }) => digest)));
      expect(bytes).toBe(after.reduce((sum, each) => sum + each.bytes, 0));
    }),
    { numRuns: 2_000 },
  );
  expect(compared).toBeGreaterThan(100);
});

test('a tag that does not exist, and one of two of a manifest, take nothing with them', () => {
  const state = stateOf([{ blobs: [...FEW.blobs], parts: [], subject: undefined, tags: [...FEW.tags] }]);
  expect(unkeptWithout(state, [least])).toEqual({ manifests: new Set(), blobs: 0, bytes: 0 });
  state.tags.clear();
  expect(unkeptWithout(state, [least]).manifests.size).toBe(0);
});
