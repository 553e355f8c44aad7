import { closeSync, fstatSync, openSync, read } from 'node:fs';
import { promisify } from 'node:util';
import { RegistryError } from '../oci/errors.ts';
import type { ByteRange } from '../storage/driver.ts';

/** Bytes read at once. */
const CHUNK_BYTES = 256 * 1024;

const readAt = promisify(read);

/**
 * A file of the store, open for one response: every range of the response comes from this very file, whatever becomes of its name
 * meanwhile. To be closed once; closing it again does nothing.
 */
export class StoredFile {
  readonly descriptor: number;
  #isClosed = false;

  private constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  /**
   * @param size bytes that it must have
   * @throws RegistryError `unavailable` when it is gone, or is another one: a copy on this node was evicted, or the blob deleted. Asked
   * again, the registry looks again.
   */
  static open(path: string, size: number): StoredFile {
    let descriptor: number;
    try {
      descriptor = openSync(path, 'r');
    } catch (error) {
      throw new RegistryError('unavailable', 'the stored blob could not be opened: try again', undefined, error);
    }
    const file = new StoredFile(descriptor);
    try {
      if (fstatSync(descriptor).size === size) return file;
      throw new RegistryError('unavailable', 'the stored blob has changed: try again');
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** The bytes of a range; may be called for several, one after another. Each chunk is the reader's own. */
  stream({ start, end }: ByteRange): ReadableStream<Uint8Array> {
    let at = start;
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const chunk = new Uint8Array(Math.min(CHUNK_BYTES, end - at));
          const { bytesRead } = await readAt(this.descriptor, chunk, 0, chunk.length, at);
          // The response was said to have them: its connection must not end as if they had come.
          if (bytesRead === 0) throw new Error(`a stored blob ends at ${at}, before ${end}`);
          at += bytesRead;
          controller.enqueue(chunk.subarray(0, bytesRead));
          if (at === end) controller.close();
        },
      },
      { highWaterMark: 0 },
    );
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      closeSync(this.descriptor);
    } catch {
      // It was only read, so nothing is lost; the number is free even where a network's file system could not be told.
    }
  }
}
