// Rules of every kind and small repositories, for tests of what retention does.
import fc from 'fast-check';
import { RepositoryState } from '../../src/journal/fold.ts';
import { OCI_MANIFEST } from '../../src/oci/media-types.ts';
import type { Tag } from '../../src/oci/names.ts';
import type { Keep, Rule, Which } from '../../src/retention/policy.ts';
import { Patterns } from '../../src/rule-file/patterns.ts';
import { FEW } from './generators.ts';

export const NOW = 10_000;
export const TAGS = ['v1', 'v2', 'v3', 'main', 'nightly'].map((name) => name as Tag);
const patterns = fc.constantFrom('*', 'v*', 'main', 'n*').map((text) => new Patterns([text]));
const durations = fc.integer({ min: 1, max: 9_000 });
const which: fc.Arbitrary<Which> = fc.oneof(
  fc.constant({ kind: 'all' as const }),
  fc.record({ kind: fc.constant('newest' as const), count: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant('pushed-within' as const), duration: durations }),
  fc.record({ kind: fc.constant('pulled-within' as const), duration: durations }),
);
const keeps: fc.Arbitrary<Keep[]> = fc.array(fc.record({ tags: patterns, which }), { minLength: 1, maxLength: 3 });
/** Of any kind. */
export const rules: fc.Arbitrary<Rule> = fc.record({
  name: fc.constant('rule'),
  repositories: fc.constant(new Patterns(['*'])),
  immutable: fc.option(
    patterns.map((tags) => ({ tags, except: new Patterns(['main']) })),
    { nil: undefined },
  ),
  keep: fc.option(keeps, { nil: undefined }),
  deleteUntagged: fc.option(durations, { nil: undefined }),
});
/** When each of the tags was pushed or pulled, in milliseconds. */
export const times = fc.array(fc.integer({ min: 0, max: NOW }), { minLength: TAGS.length, maxLength: TAGS.length });

/** A repository with some of the tags, each pushed at its time. */
export function stateOf(pushed: readonly number[]): RepositoryState {
  const state = new RepositoryState();
  state.exists = true;
  for (const [index, tag] of TAGS.entries()) {
    const digest = FEW.manifests[index % FEW.manifests.length];
    if (digest === undefined) continue;
    const at = pushed[index] ?? 0;
    const [inc] = FEW.incarnations;
    if (inc !== undefined && state.manifest(digest) === undefined) {
      state.restoreManifest(digest, { size: 1, inc, mediaType: OCI_MANIFEST, refs: [], at });
    }
    if (at % 3 === 0) continue;
    state.tags.set(tag, digest);
    state.tagTimes.set(tag, at);
  }
  return state;
}
