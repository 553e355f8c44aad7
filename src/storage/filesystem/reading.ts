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
  /** Lists and reads many files beside the serving thread. */
  readonly thread: FileThread;
}

/** The part of the driver that reads. It knows only the files, so every thread and every process may have its own. */
export class FileReading implements StoreReader {
  readonly kind = 'filesystem';
  readonly #pathOf: (key: Key) => string;
  readonly #thread: FileThread;
  readonly #listing: Listing;

  constructor(ports: FileReadingPorts) {
    this.#pathOf = ports.pathOf;
    this.#thread = ports.thread;
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

  /** On another thread, so that this one can work on what it has read before. */
  async readSeveral(keys: readonly Key[]): Promise<readonly (Uint8Array | undefined)[]> {
    const found = await this.#thread.read(keys.map((key) => this.#pathOf(key)));
    return await Promise.all(found.map((each, index) => (each === 'large' ? this.read(keys[index] ?? '') : each)));
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

  listKeys(prefix: Key): AsyncIterable<Key> {
    return this.#listing.listKeys(prefix);
  }
}
