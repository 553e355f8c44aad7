import type { RepositoryState } from '../journal/fold.ts';
import type { Digest } from '../oci/names.ts';
import type { ManifestOverview, RepositoryOverview } from './interface.ts';

/** Manifests and blobs that are followed from one manifest. */
const MAX_FOLLOWED = 10_000;
const MAX_REFERRERS = 100;

/** @param state shared with other requests; it is not modified */
export function overviewOf(state: RepositoryState, time: string | undefined): RepositoryOverview {
  return {
    seq: state.seq,
    time,
    counts: { tags: state.tags.size, manifests: state.manifests.size, blobs: state.blobs.size },
    bytes: state.usage.bytes,
    tags: Array.from(state.tags, ([tag, digest]) => ({ tag, digest, set: state.tagTimes.get(tag) ?? 0 })),
    tag: (tag) => state.tag(tag),
    tagsOf: (digest) => state.tagsOf(digest),
    manifest: (digest) => manifestOverview(state, digest),
  };
}

function manifestOverview(state: RepositoryState, digest: Digest): ManifestOverview | undefined {
  const record = state.manifest(digest);
  if (record === undefined) return undefined;
  const { mediaType, size, artifactType, annotations, subject, at } = record;
  const referrers = state.referrers.get(digest)?.page(undefined, undefined, MAX_REFERRERS).names ?? [];
  const referrerTypes = referrers.map((each) => state.manifest(each)?.artifactType ?? '');
  const total = totalOf(state, digest);
  return { mediaType, digest, size, artifactType, annotations, subject, pushed: at, total, referrerTypes };
}

/** Bytes of a manifest and of everything that it refers to. */
function totalOf(state: RepositoryState, digest: Digest): number {
  const seen = new Set<Digest>([digest]);
  let total = 0;
  // The set grows while it is iterated over.
  for (const each of seen) {
    const manifest = state.manifest(each);
    total += manifest?.size ?? state.blob(each)?.size ?? 0;
    for (const ref of manifest?.refs ?? []) if (seen.size < MAX_FOLLOWED) seen.add(ref);
  }
  return total;
}
