import { type FileHandle, open } from 'node:fs/promises';
import { algorithmOf } from '../../oci/digest.ts';
import type { Digest } from '../../oci/names.ts';
import { freeBytes } from '../../system/free-bytes.ts';
import { PRIVATE_FILE } from '../../system/private-files.ts';
import type { Hasher } from '../filesystem/hasher.ts';

/** The store gave other bytes than those of the digest. */
export class WrongBytes extends Error {
  override readonly name = 'WrongBytes';
}

/** Bytes after which the hashing thread is told of them, and it is looked whether there is room for more. */
const STRIDE_BYTES = 4 * 1024 * 1024;

export interface Wanted {
  readonly digest: Digest;
  readonly size: number;
}

export interface FetchPorts {
  readonly hasher: Hasher;
  /** Ends it early. */
  readonly signal: AbortSignal;
  /** Called now and then; what it throws ends it. */
  readonly checkRoom: () => void;
}

/**
 * Writes a blob to a new file. When this resolves the file has its bytes, verified by the hashing thread, also after a power cut.
 * The disk sets the pace. What is left of a file by a failure is the caller's to remove.
 */
export async function fetchVerified(
  path: string,
  { digest, size }: Wanted,
  source: ReadableStream<Uint8Array>,
  { hasher, signal, checkRoom }: FetchPorts,
): Promise<void> {
  const reader = source.getReader();
  // A stream that was cancelled ends, whatever it waits for.
  const stop = (): void => void reader.cancel().catch(() => reader.releaseLock());
  signal.addEventListener('abort', stop);
  let file: FileHandle | undefined;
  try {
    signal.throwIfAborted();
    // For reading too: the hashing thread reads by the same descriptor.
    file = await open(path, 'wx+', PRIVATE_FILE);
    const hash = hasher.open(path, algorithmOf(digest), file.fd, 0);
    try {
      let at = 0;
      for (let told = 0; ; ) {
        const { done, value } = await reader.read();
        signal.throwIfAborted();
        if (done) break;
        await writeAll(file, value, at);
        at += value.length;
        freeBytes(value);
        if (at - told < STRIDE_BYTES) continue;
        told = at;
        checkRoom();
        await hash.follow(at);
      }
      if (at !== size) throw new WrongBytes(`the store gave ${at} bytes of ${size}`);
      const found = await hash.digest(at);
      if (found !== digest) throw new WrongBytes(`the store gave bytes of ${found}`);
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
