import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Key, ListedObject, StoredObject, StoreReader } from '../driver.ts';
import type { FileThread } from './file-thread.ts';
import { sizeOf, sizeOfOpenable } from './files.ts';
import { Listing } from './listing.ts';
import { isMissing } from './system-errors.ts';

/** Objects up to this size are read on the serving thread. */
const SMALL_BYTES = 64 * 1024;

export interface FileReadingPorts {
  readonly pathOf: (key: Key) => string;
  /** Lists many files beside the serving thread. */
  readonly thread: FileThread;
}

/** The part of the driver that reads. It knows only the files, so every thread and every process may have its own. */
export class FileReading implements StoreReader {
  readonly kind = 'filesystem';
  readonly #pathOf: (key: Key) => string;
  readonly #listing: Listing;

  constructor(ports: FileReadingPorts) {
    this.#pathOf = ports.pathOf;
    this.#listing = new Listing(ports);
  }

  async read(key: Key): Promise<Uint8Array | undefined> {
    const path = this.#pathOf(key);
    try {
      // Most reads are of small or absent objects: another thread would cost more than it saves.
      const size = sizeOf(path);
      if (size === undefined) return undefined;
      return size <= SMALL_BYTES ? readFileSync(path) : await readFile(path);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async open(key: Key): Promise<StoredObject | undefined> {
    const path = this.#pathOf(key);
    const size = sizeOfOpenable(path);
    return size === undefined ? undefined : { size, body: { kind: 'file', path } };
  }

  async head(key: Key): Promise<{ readonly size: number } | undefined> {
    const size = sizeOf(this.#pathOf(key));
    return size === undefined ? undefined : { size };
  }

  list(prefix: Key, after?: Key): AsyncIterable<ListedObject> {
    return this.#listing.list(prefix, after);
  }
}
