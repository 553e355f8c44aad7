// After all faults have ended: every view on every node agrees with the log, and writes work.
import { accept } from '../../src/journal/command.ts';
import type { RepositoryFacts } from '../../src/journal/state.ts';
import type { RepositoryName } from '../../src/oci/names.ts';
import type { Projection } from '../../src/projection/projection.ts';
import { type CheckedLog, checkLog } from './checks.ts';
import type { SimulatedNode } from './node.ts';
import { listRepositories, perform, pushBlob } from './operations.ts';
import { BLOBS, type Content, MANIFESTS, newBlob, TAGS } from './vocabulary.ts';
import type { World } from './world.ts';

/** All views of a repository, in a form that can be compared. */
async function viewsOf(projection: Projection, repo: RepositoryName): Promise<unknown> {
  const tags = await projection.tags(repo, undefined, 1000);
  const manifests = [];
  const referrers = [];
  for (const { digest } of MANIFESTS) {
    manifests.push(await projection.manifestByDigest(repo, digest));
    referrers.push(await projection.referrers(repo, digest, {}, 1000));
  }
  const blobs = [];
  for (const { digest } of BLOBS) blobs.push(await projection.blob(repo, digest));
  const tagged = [];
  for (const tag of TAGS) tagged.push(await projection.manifestByTag(repo, tag));
  return { tags, manifests, referrers, blobs, tagged };
}

function expectedViews({ state }: CheckedLog): unknown {
  const known = (value: unknown) => (state.exists ? { kind: 'known', value } : { kind: 'unknown' });
  const found = (digest: Content['digest'] | undefined) => {
    const record = digest === undefined ? undefined : state.manifest(digest);
    return record && { digest, record };
  };
  return {
    tags: known({ items: [...state.tags.keys()].sort(), more: false }),
    manifests: MANIFESTS.map(({ digest }) => known(found(digest))),
    referrers: MANIFESTS.map(({ digest }) => {
      return { items: [...(state.referrers.get(digest) ?? [])].sort().map(found), more: false };
    }),
    blobs: BLOBS.map(({ digest }) => known(state.blob(digest))),
    tagged: TAGS.map((tag) => known(found(state.tag(tag)))),
  };
}

/** The facts that commands decide on. */
function factsOf(facts: RepositoryFacts): unknown {
  return {
    exists: facts.exists,
    blobs: BLOBS.map(({ digest }) => facts.blob(digest)),
    manifests: MANIFESTS.map(({ digest }) => facts.manifest(digest)),
    tags: TAGS.map((tag) => facts.tag(tag)),
    tagsOf: MANIFESTS.map(({ digest }) => [...facts.tagsOf(digest)].sort()),
    references: BLOBS.map(({ digest }) => facts.references(digest)),
  };
}

function decidedOn({ projection }: SimulatedNode, repo: RepositoryName): Promise<unknown> {
  const [blobs, manifests] = [BLOBS, MANIFESTS].map((all) => all.map(({ digest }) => digest));
  return projection.submit(repo, {
    needs: {
      blobs: blobs ?? [],
      references: blobs ?? [],
      manifests: manifests ?? [],
      tagsOf: manifests ?? [],
      tags: TAGS,
    },
    decide: (facts) => accept(factsOf(facts)),
  });
}

/** Checks that the views in Redis are the fold of the log. Call it when nothing was written for a while. */
export async function checkFinalReads(world: World, repositories: readonly RepositoryName[]): Promise<void> {
  for (const repo of repositories) {
    const log = checkLog(world, repo);
    const expected = { views: expectedViews(log), facts: factsOf(log.state) };
    const compare = async (node: SimulatedNode, what: 'views' | 'facts'): Promise<void> => {
      const read = ({ projection }: SimulatedNode) =>
        what === 'views' ? viewsOf(projection, repo) : decidedOn(node, repo);
      const { outcome } = await world.request(`compare ${what} of ${repo}`, read, node);
      if (outcome.kind === 'ok' && Bun.deepEquals(outcome.value, expected[what])) return;
      const found = outcome.kind === 'ok' ? JSON.stringify(outcome.value) : outcome.kind;
      const right = JSON.stringify(expected[what]);
      world.history.violated(`${node.machine.name}: ${repo} is\n${found}, its log says\n${right}`);
    };
    // First a node that only reads, because a write would bring a stale view up to date.
    await compare(world.random.pick(world.nodes), 'views');
    for (const node of world.nodes) await compare(node, 'facts');
  }
  for (const node of world.nodes) await listRepositories(world, node);
}

/** Every repository accepts writes. */
export async function checkWritable(world: World, repositories: readonly RepositoryName[]): Promise<void> {
  for (const repo of repositories) {
    for (const node of world.nodes) {
      const { outcome } = await perform(world, repo, pushBlob(repo, newBlob(world.nextNumber()), false), node);
      if (outcome.kind !== 'ok') world.history.violated(`${node.machine.name} cannot write to ${repo}`);
    }
  }
}
