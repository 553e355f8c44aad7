import { type FileHandle, open } from 'node:fs/promises';
import { algorithmOf } from '../../oci/digest.ts';
import type { Digest } from '../../oci/names.ts';
import { freeBytes } from '../../system/free-bytes.ts';
import { PRIVATE_FILE } from '../../system/private-files.ts';
import type { Hasher } from '../filesystem/hasher.ts';

/** The store returned bytes of another digest or length. */
export class WrongBytes extends Error {
  override readonly name = 'WrongBytes';
}

/** After this many bytes the hashing thread is notified, and the space on the disk is checked. */
const CHECK_INTERVAL_BYTES = 4 * 1024 * 1024;

export interface ExpectedBlob {
  readonly digest: Digest;
  readonly size: number;
}

export interface FetchPorts {
  readonly hasher: Hasher;
  /** Cancels the fetch. */
  readonly signal: AbortSignal;
  /** Called periodically; its error ends the fetch. */
  readonly checkRoom: () => void;
}

/**
 * Writes a blob to a new file. When this resolves, the file is complete, verified by the hashing thread, and durable.
 * The disk sets the pace. After a failure the caller removes the file.
 */
export async function fetchVerified(
  path: string,
  { digest, size }: ExpectedBlob,
  source: ReadableStream<Uint8Array>,
  { hasher, signal, checkRoom }: FetchPorts,
): Promise<void> {
  const reader = source.getReader();
  // Cancelling ends a pending read, too.
  const stop = (): void => void reader.cancel().catch(() => reader.releaseLock());
  signal.addEventListener('abort', stop);
  let file: FileHandle | undefined;
  try {
    signal.throwIfAborted();
    // Readable: the hashing thread uses the same descriptor.
    file = await open(path, 'wx+', PRIVATE_FILE);
    const hash = hasher.open(path, algorithmOf(digest), file.fd, 0);
    try {
      let at = 0;
      for (let checked = 0; ; ) {
        const { done, value } = await reader.read();
        signal.throwIfAborted();
        if (done) break;
        await writeAll(file, value, at);
        at += value.length;
        freeBytes(value);
        if (at - checked < CHECK_INTERVAL_BYTES) continue;
        checked = at;
        checkRoom();
        await hash.follow(at);
      }
      if (at !== size) throw new WrongBytes(`the store returned ${at} bytes of ${size}`);
      const found = await hash.digest(at);
      if (found !== digest) throw new WrongBytes(`the store returned bytes of ${found}`);
      await file.datasync();
    } finally {
      await hash.close();
    }
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
    await file?.close();
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
