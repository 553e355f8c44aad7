import type { Incarnation } from '../../oci/names.ts';
import type { StoredObject, StoreReader } from '../driver.ts';
import { dataKey } from '../paths.ts';
import type { ExpectedBlob } from './fetch-verified.ts';

/** A blob as linked by a log. */
export interface CachedBlob extends ExpectedBlob {
  readonly inc: Incarnation;
}

/** The copies of blobs on a node's disk. One thread of the process keeps them for all. */
export interface BlobCopies {
  /** The path of a blob's copy; undefined if there is none. */
  find(blob: CachedBlob): Promise<string | undefined>;
  /** To be called when a client begins to read a blob from the store: a copy may be worth while. */
  pulled(blob: CachedBlob): Promise<void>;
}

export interface BlobSources {
  readonly copies: BlobCopies;
  readonly driver: Pick<StoreReader, 'open'>;
}

/** Opens a blob: its copy, or the object in the store. @returns undefined if the store has no such object */
export async function openBlob(
  blob: CachedBlob,
  { copies, driver }: BlobSources,
  signal?: AbortSignal,
): Promise<StoredObject | undefined> {
  const path = await copies.find(blob);
  if (path !== undefined) return { size: blob.size, body: { kind: 'file', path } };
  const object = await driver.open(dataKey(blob.inc), signal);
  if (object === undefined || object.size !== blob.size || object.body.kind === 'file') return object;
  const { body, size } = object;
  return {
    size,
    body: {
      kind: 'stream',
      open: (range, chunks) => {
        // A client that fetches a blob in ranges requests the first one once: each pull counts once.
        if (range.start === 0) void copies.pulled(blob);
        return body.open(range, chunks);
      },
    },
  };
}
