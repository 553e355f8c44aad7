import { closeSync, fstatSync, openSync, read } from 'node:fs';
import { promisify } from 'node:util';
import { RegistryError } from '../oci/errors.ts';
import type { ByteRange } from '../storage/driver.ts';

/** Maximum bytes of one read. */
const CHUNK_BYTES = 256 * 1024;

const readAt = promisify(read);

/**
 * A file of the store that is open for one response. All ranges of the response are read from this file, even if it is deleted or
 * replaced in the meantime. It must be closed; closing it again does nothing.
 */
export class StoredFile {
  readonly descriptor: number;
  #isClosed = false;

  private constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  /**
   * @param size the expected length in bytes
   * @throws RegistryError `unavailable` if the file is missing or has another length, because a cached copy was evicted or the blob
   * deleted. When the client retries, the registry looks the blob up again.
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

  /** The bytes of a range. Several ranges must be read one after another. The reader owns the chunks. */
  stream({ start, end }: ByteRange): ReadableStream<Uint8Array> {
    let at = start;
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const chunk = new Uint8Array(Math.min(CHUNK_BYTES, end - at));
          const { bytesRead } = await readAt(this.descriptor, chunk, 0, chunk.length, at);
          // The response announced these bytes, so it must fail rather than end as if it were complete.
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
      // The file was only read, so no data is lost. The descriptor is freed even if a network file system reports an error.
    }
  }
}
