import type { RepositoryState } from '../journal/fold.ts';
import type { Digest, Tag } from '../oci/names.ts';
import type { Consequences } from './interface.ts';
import { keptAliveBy } from './plan.ts';

/** What nothing keeps alive any more once the tags are deleted. Pure. @param tags those that do not exist are ignored */
export function unkeptWithout(
  state: RepositoryState,
  tags: readonly Tag[],
): Pick<Consequences, 'manifests' | 'blobs' | 'bytes'> {
  const deleted = new Set(tags);
  const reached = reachedFrom(
    state,
    [...deleted].flatMap((tag) => state.tag(tag) ?? []),
  );
  const tagged = [...state.tags].flatMap(([tag, digest]) => (deleted.has(tag) ? [] : [digest]));
  // What has no tag already stays or goes as before, and until then keeps its parts.
  const untagged = [...state.manifests.keys()].filter((digest) => !reached.has(digest));
  const live = reachedFrom(state, [...tagged, ...untagged]);
  const manifests = new Set([...reached].filter((digest) => !live.has(digest)));
  return { manifests, ...contentOf(state, manifests) };
}

function reachedFrom(state: RepositoryState, roots: readonly Digest[]): Set<Digest> {
  const reached = new Set<Digest>();
  const found = [...roots];
  for (let digest = found.pop(); digest !== undefined; digest = found.pop()) {
    if (reached.has(digest) || !state.manifests.has(digest)) continue;
    reached.add(digest);
    found.push(...keptAliveBy(state, digest));
  }
  return reached;
}

/** Blobs to which only these manifests refer, and the bytes of all. */
function contentOf(state: RepositoryState, manifests: ReadonlySet<Digest>): { blobs: number; bytes: number } {
  const counts = new Map<Digest, number>();
  let [blobs, bytes] = [0, 0];
  for (const digest of manifests) {
    const record = state.manifest(digest);
    bytes += record?.size ?? 0;
    for (const ref of record?.refs ?? []) {
      const count = (counts.get(ref) ?? 0) + 1;
      counts.set(ref, count);
      const blob = state.blob(ref);
      if (blob === undefined || count !== state.references(ref)) continue;
      blobs++;
      bytes += blob.size;
    }
  }
  return { blobs, bytes };
}
