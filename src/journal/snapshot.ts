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

/** Awaited between small pieces of work, so that others can run. */
export type Pause = () => Promise<void>;

/** Entries that are restored between two calls of `pause`: about a millisecond of work. */
const PAUSE_EVERY = 1_000;

/**
 * @param pause undefined: the state is restored at a stretch, which takes 2 ms for 1,000 images
 * @returns undefined for anything but a snapshot of this repository with the current FOLD_VERSION
 */
export async function decodeSnapshot(
  repo: RepositoryName,
  bytes: Uint8Array,
  pause?: Pause,
): Promise<RepositoryState | undefined> {
  const json = await compressedJsonOf(bytes);
  const parsed = head.safeParse(json);
  if (!parsed.success || parsed.data.repo !== repo) return undefined;
  const { data } = parsed;
  const state = new RepositoryState();
  state.seq = data.seq;
  state.hash = data.hash;
  state.exists = data.exists;
  await each(data.tags, pause, ([tag, digest], index) => {
    state.tags.set(tag, digest);
    state.tagTimes.set(tag, data.tagTimes[index] ?? 0);
  });
  await each(data.blobs, pause, ([digest, link]) => state.restoreBlob(digest, link));
  await each(data.manifests, pause, ([digest, record]) => state.restoreManifest(digest, record));
  await each(data.tombstones, pause, ([inc, at]) => state.tombstones.set(inc, at));
  await each(data.released, pause, ([digest, at]) => state.released.set(digest, at));
  return state;
}

async function each<E>(
  entries: readonly E[],
  pause: Pause | undefined,
  restore: (entry: E, index: number) => void,
): Promise<void> {
  for (const [index, entry] of entries.entries()) {
    restore(entry, index);
    if (pause !== undefined && (index + 1) % PAUSE_EVERY === 0) await pause();
  }
}

/** The FOLD_VERSION of a snapshot; undefined for bytes that are not a snapshot. */
export async function foldVersionOf(bytes: Uint8Array): Promise<number | undefined> {
  const parsed = z.object({ fold: z.int() }).safeParse(await compressedJsonOf(bytes));
  return parsed.success ? parsed.data.fold : undefined;
}
