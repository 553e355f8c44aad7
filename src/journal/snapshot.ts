import { z } from 'zod';
import type { Digest, Incarnation, RepositoryName, Tag } from '../oci/names.ts';
import { FOLD_VERSION, RepositoryState } from './fold.ts';
import type { BlobLink, ManifestRecord } from './state.ts';

/*
 * A snapshot is the state of one repository after slot `seq`, as zstd-compressed JSON. Only this process's own kind writes
 * them, so only the head is checked in full; a snapshot that cannot be read is ignored, the log behind it is the truth.
 */
const head = z.object({
  fold: z.literal(FOLD_VERSION),
  repo: z.string(),
  seq: z.int().positive(),
  hash: z.string(),
  exists: z.boolean(),
  tags: z.array(z.unknown()),
  blobs: z.array(z.unknown()),
  manifests: z.array(z.unknown()),
  tombstones: z.array(z.unknown()),
});

export function encodeSnapshot(repo: RepositoryName, state: RepositoryState): Promise<Uint8Array> {
  const json = JSON.stringify({
    fold: FOLD_VERSION,
    repo,
    seq: state.seq,
    hash: state.hash,
    exists: state.exists,
    tags: [...state.tags],
    blobs: [...state.blobs],
    manifests: [...state.manifests],
    tombstones: [...state.tombstones],
  });
  return Bun.zstdCompress(json);
}

/** @returns undefined for bytes that are no snapshot of this repository and this version of the fold. */
export async function decodeSnapshot(repo: RepositoryName, bytes: Uint8Array): Promise<RepositoryState | undefined> {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(await Bun.zstdDecompress(bytes)));
  } catch {
    // Torn or foreign: the caller goes on to an older snapshot or to slot 1.
    return undefined;
  }
  const parsed = head.safeParse(json);
  if (!parsed.success || parsed.data.repo !== repo) return undefined;
  const { data } = parsed;
  const state = new RepositoryState();
  state.seq = data.seq;
  state.hash = data.hash;
  state.exists = data.exists;
  for (const [tag, digest] of data.tags as [Tag, Digest][]) state.tags.set(tag, digest);
  for (const [digest, link] of data.blobs as [Digest, BlobLink][]) state.blobs.set(digest, link);
  for (const [digest, record] of data.manifests as [Digest, ManifestRecord][]) state.restoreManifest(digest, record);
  for (const [inc, at] of data.tombstones as [Incarnation, number][]) state.tombstones.set(inc, at);
  return state;
}
