import { z } from 'zod';
import { compressedJsonOf } from '../oci/json.ts';
import type { Digest, Incarnation, RepositoryName, Tag } from '../oci/names.ts';
import { FOLD_VERSION, RepositoryState } from './fold.ts';
import type { BlobLink, ManifestRecord } from './state.ts';

/** The entries of a map. Checked by hand: zod needs about 30 ms for 100,000 entries. */
function entries<K extends string, V>(isValue: (value: unknown) => boolean): z.ZodType<[K, V][]> {
  const isEntry = (each: unknown): boolean =>
    Array.isArray(each) && each.length === 2 && typeof each[0] === 'string' && isValue(each[1]);
  return z.custom<[K, V][]>((value) => Array.isArray(value) && value.every(isEntry));
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'refs' in value && Array.isArray(value.refs);
}

/*
 * A snapshot is the state of one repository after slot `seq`, as zstd-compressed JSON. Only Marina writes snapshots, so the entries
 * are trusted. A snapshot that cannot be read is ignored: the log is the truth.
 */
const head = z.object({
  fold: z.literal(FOLD_VERSION),
  repo: z.string(),
  seq: z.int().positive(),
  hash: z.string(),
  exists: z.boolean(),
  tags: entries<Tag, Digest>((value) => typeof value === 'string'),
  /** When each tag was set, in the order of `tags`. */
  tagTimes: z.custom<number[]>((value) => Array.isArray(value) && value.every((each) => typeof each === 'number')),
  blobs: entries<Digest, BlobLink>((value) => typeof value === 'object' && value !== null),
  manifests: entries<Digest, ManifestRecord>(isRecord),
  tombstones: entries<Incarnation, number>((value) => typeof value === 'number'),
  released: entries<Digest, number>((value) => typeof value === 'number'),
});

export function encodeSnapshot(repo: RepositoryName, state: RepositoryState): Promise<Uint8Array> {
  const json = JSON.stringify({
    fold: FOLD_VERSION,
    repo,
    seq: state.seq,
    hash: state.hash,
    exists: state.exists,
    tags: [...state.tags],
    tagTimes: [...state.tags.keys()].map((tag) => state.tagTimes.get(tag) ?? 0),
    blobs: [...state.blobs],
    manifests: [...state.manifests],
    tombstones: [...state.tombstones],
    released: [...state.released],
  });
  return Bun.zstdCompress(json);
}

/** @returns undefined for anything but a snapshot of this repository with the current FOLD_VERSION */
export async function decodeSnapshot(repo: RepositoryName, bytes: Uint8Array): Promise<RepositoryState | undefined> {
  const json = await compressedJsonOf(bytes);
  const parsed = head.safeParse(json);
  if (!parsed.success || parsed.data.repo !== repo) return undefined;
  const { data } = parsed;
  const state = new RepositoryState();
  state.seq = data.seq;
  state.hash = data.hash;
  state.exists = data.exists;
  for (const [index, [tag, digest]] of data.tags.entries()) {
    state.tags.set(tag, digest);
    state.tagTimes.set(tag, data.tagTimes[index] ?? 0);
  }
  for (const [digest, link] of data.blobs) state.restoreBlob(digest, link);
  for (const [digest, record] of data.manifests) state.restoreManifest(digest, record);
  for (const [inc, at] of data.tombstones) state.tombstones.set(inc, at);
  for (const [digest, at] of data.released) state.released.set(digest, at);
  return state;
}

/** The FOLD_VERSION of a snapshot; undefined for bytes that are not a snapshot. */
export async function foldVersionOf(bytes: Uint8Array): Promise<number | undefined> {
  const parsed = z.object({ fold: z.int() }).safeParse(await compressedJsonOf(bytes));
  return parsed.success ? parsed.data.fold : undefined;
}
