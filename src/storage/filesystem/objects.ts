import { dirname } from 'node:path';
import type {
  CreateResult,
  DeleteFailure,
  DeleteOptions,
  Key,
  NewObject,
  ObjectStore,
  PutOptions,
  StoreReader,
  WrittenObject,
} from '../driver.ts';
import { Creation, type Publication } from './creation.ts';
import { Deletion } from './deletion.ts';
import type { FileThread } from './file-thread.ts';
import { rename, writeSynced, writeWhole } from './files.ts';
import type { FilesPorts } from './ports.ts';
import type { Reserve } from './reserve.ts';

export interface FileObjectsPorts extends FilesPorts {
  readonly reserve: Reserve | undefined;
  /** They remove many files beside the serving thread. */
  readonly threads: readonly FileThread[];
}

/** The part of the driver that stores and removes named objects: one file for each key. */
export class FileObjects implements Omit<ObjectStore, keyof StoreReader> {
  readonly #ports: FileObjectsPorts;
  readonly #creation: Creation;
  readonly #deletion: Deletion;

  constructor(ports: FileObjectsPorts) {
    this.#ports = ports;
    this.#creation = new Creation(ports);
    this.#deletion = new Deletion(ports);
  }

  create(key: Key, bytes: Uint8Array, named?: readonly WrittenObject[]): Promise<CreateResult> {
    return this.#creation.create(key, bytes, named);
  }

  /** With a write-ahead log only. */
  createInOrder(objects: readonly NewObject[]): Promise<number> {
    return this.#creation.createInOrder(objects);
  }

  /** See Creation.publish. */
  publish(object: Publication, prepared: Key): Promise<CreateResult> {
    return this.#creation.publish(object, prepared);
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

  delete(keys: readonly Key[], options?: DeleteOptions): Promise<readonly DeleteFailure[]> {
    return this.#deletion.delete(keys, options);
  }

  deleteAll(prefix: Key): Promise<void> {
    return this.#deletion.deleteAll(prefix);
  }
}
