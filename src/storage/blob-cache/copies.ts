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
  pullBegan(blob: CachedBlob): Promise<void>;
  /** To be called once for each of them, when it has read the blob or given up. */
  pullEnded(blob: CachedBlob): Promise<void>;
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
        const stream = body.open(range, chunks);
        // A client that fetches a blob in ranges requests the first one once: each pull counts once.
        if (range.start > 0) return stream;
        void copies.pullBegan(blob);
        return watchEnd(stream, () => void copies.pullEnded(blob));
      },
    },
  };
}

/**
 * The same stream, read no earlier than its consumer asks, so chunks may be lent.
 * @param ended called once, when the stream ends, fails or is cancelled
 */
function watchEnd(stream: ReadableStream<Uint8Array>, ended: () => void): ReadableStream<Uint8Array> {
  const reader = stream.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (!done) return controller.enqueue(value);
          controller.close();
        } catch (error) {
          ended();
          throw error;
        }
        ended();
      },
      async cancel(reason) {
        ended();
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
