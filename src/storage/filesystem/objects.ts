import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type {
  CreateResult,
  DeleteFailure,
  DeleteOptions,
  Key,
  ListedObject,
  ObjectStore,
  PutOptions,
  StoredObject,
} from '../driver.ts';
import { Creation } from './creation.ts';
import { Deletion } from './deletion.ts';
import type { FileThread } from './file-thread.ts';
import { rename, sizeOf, sizeOfOpenable, writeSynced, writeWhole } from './files.ts';
import { Listing } from './listing.ts';
import type { FilesPorts } from './ports.ts';
import type { Reserve } from './reserve.ts';
import { isMissing } from './system-errors.ts';

export interface FileObjectsPorts extends FilesPorts {
  readonly reserve: Reserve | undefined;
  /** They list and remove many files beside the serving thread. */
  readonly threads: readonly [FileThread, ...FileThread[]];
}

/** Objects up to this size are read on the serving thread. */
const SMALL_BYTES = 64 * 1024;

/** The part of the driver that stores named objects: one file for each key. */
export class FileObjects implements ObjectStore {
  readonly kind = 'filesystem';
  readonly #ports: FileObjectsPorts;
  readonly #creation: Creation;
  readonly #deletion: Deletion;
  readonly #listing: Listing;

  constructor(ports: FileObjectsPorts) {
    this.#ports = ports;
    this.#creation = new Creation(ports);
    this.#deletion = new Deletion(ports);
    this.#listing = new Listing({ pathOf: ports.pathOf, thread: ports.threads[0] });
  }

  create(key: Key, bytes: Uint8Array, first?: () => Promise<void>): Promise<CreateResult> {
    return this.#creation.create(key, bytes, first);
  }

  async put(key: Key, bytes: Uint8Array, options: PutOptions = {}): Promise<void> {
    const { root, diskSync, wal, admit, uniqueName, reach, pathOf } = this.#ports;
    const path = pathOf(key);
    admit();
    if (options.durable === false) {
      await writeWhole(path, bytes);
      return;
    }
    await diskSync.ensureFolder(dirname(path), root);
    const temporary = pathOf(`tmp/${uniqueName()}`);
    await writeSynced(temporary, bytes, { diskSync, beforeSync: () => reach('put.before-sync') });
    reach('put.before-rename');
    rename(temporary, path);
    reach('put.before-folder-sync');
    await diskSync.folder(dirname(path));
    // Else recovery would restore the earlier bytes.
    if (wal?.covers(key) === true) await wal.append({ kind: 'object', key, bytes });
    reach('put.after-folder-sync');
  }

  async read(key: Key): Promise<Uint8Array | undefined> {
    const path = this.#ports.pathOf(key);
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
    const path = this.#ports.pathOf(key);
    const size = sizeOfOpenable(path);
    return size === undefined ? undefined : { size, body: { kind: 'file', path } };
  }

  async head(key: Key): Promise<{ readonly size: number } | undefined> {
    const size = sizeOf(this.#ports.pathOf(key));
    return size === undefined ? undefined : { size };
  }

  delete(keys: readonly Key[], options?: DeleteOptions): Promise<readonly DeleteFailure[]> {
    return this.#deletion.delete(keys, options);
  }

  deleteAll(prefix: Key): Promise<void> {
    return this.#deletion.deleteAll(prefix);
  }

  list(prefix: Key, after?: Key): AsyncIterable<ListedObject> {
    return this.#listing.list(prefix, after);
  }
}
