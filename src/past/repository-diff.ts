import type { RepositoryState } from '../journal/fold.ts';
import type { Digest, Tag } from '../oci/names.ts';

/** A tag that differs: `from` is undefined if it is new, `to` if it is gone. */
export interface TagDifference {
  readonly tag: Tag;
  readonly from: Digest | undefined;
  readonly to: Digest | undefined;
}

export interface ManifestSummary {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
}

/** A list of which only the first items are given. */
export interface Counted<T> {
  readonly items: readonly T[];
  /** Of all. */
  readonly count: number;
}

/** What differs between two moments of a repository. */
export interface RepositoryDiff {
  readonly kind: 'moments';
  readonly from: DiffMoment;
  readonly to: DiffMoment;
  /** In ASCII order. */
  readonly tags: Counted<TagDifference>;
  readonly manifests: { readonly added: Counted<ManifestSummary>; readonly gone: Counted<ManifestSummary> };
  /** Blobs. */
  readonly blobs: { readonly added: number; readonly gone: number };
}

export interface DiffMoment {
  readonly seq: number;
  /** ISO 8601; undefined before the first slot. */
  readonly time: string | undefined;
  readonly exists: boolean;
  /** Bytes of all blobs and manifests, each once. */
  readonly bytes: number;
}

/** The most items of one list. */
const MAX_ITEMS = 1_000;

interface Past {
  readonly state: RepositoryState;
  readonly time: string | undefined;
}

/** Pure. */
export function compareRepositories(from: Past, to: Past): RepositoryDiff {
  const [before, after] = [from.state, to.state];
  const names = new Set([...before.tags.keys(), ...after.tags.keys()]);
  const tags = [...names]
    .map((tag) => ({ tag, from: before.tag(tag), to: after.tag(tag) }))
    .filter((each) => each.from !== each.to)
    .sort((one, other) => (one.tag < other.tag ? -1 : 1));
  return {
    kind: 'moments',
    from: momentOf(from),
    to: momentOf(to),
    tags: counted(tags),
    manifests: { added: onlyIn(after, before), gone: onlyIn(before, after) },
    blobs: {
      added: [...after.blobs.keys()].filter((digest) => !before.blobs.has(digest)).length,
      gone: [...before.blobs.keys()].filter((digest) => !after.blobs.has(digest)).length,
    },
  };
}

function momentOf({ state, time }: Past): DiffMoment {
  return { seq: state.seq, time, exists: state.exists, bytes: state.usage.bytes };
}

function onlyIn(state: RepositoryState, other: RepositoryState): Counted<ManifestSummary> {
  const found: ManifestSummary[] = [];
  for (const [digest, { mediaType, size }] of state.manifests) {
    if (!other.manifests.has(digest)) found.push({ digest, mediaType, size });
  }
  return counted(found.sort((one, another) => (one.digest < another.digest ? -1 : 1)));
}

function counted<T>(all: readonly T[]): Counted<T> {
  return { items: all.slice(0, MAX_ITEMS), count: all.length };
}
