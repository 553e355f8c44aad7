import { resolve } from 'node:path';
import type { Algorithm } from '../../oci/digest.ts';
import type { Digest, Incarnation } from '../../oci/names.ts';
import type { ReachStep } from '../crash-points.ts';
import type {
  CreateResult,
  DeleteFailure,
  DeleteOptions,
  KeepState,
  Key,
  ListedObject,
  NewObject,
  PutOptions,
  StagedPlace,
  StagedWrite,
  StorageDriver,
  StoredObject,
  WrittenObject,
} from '../driver.ts';
import { DATA, SHELVES } from '../paths.ts';
import { DiskSync, type Fatal } from './disk-sync.ts';
import { FileDurability } from './durability.ts';
import { FileThread } from './file-thread.ts';
import { makeFolder } from './folders.ts';
import { FileObjects } from './objects.ts';
import type { FilesPorts } from './ports.ts';
import { FileReading } from './reading.ts';
import { Reserve } from './reserve.ts';
import { StagedFiles } from './staged-files.ts';
import { isFull, storageFull } from './system-errors.ts';
import { StoreService } from './threads/owner.ts';
import type { StoreCalls } from './threads/protocol.ts';
import type { WriteAheadLog } from './wal/wal.ts';

export interface FilesystemOptions {
  /** Absolute path of the data folder. */
  readonly root: string;
  /** false: no reserve for a full disk. Only a process that has the folder alone can decide when to free it. */
  readonly hasReserve?: boolean;
  /**
   * Where small objects become durable first. It is closed with the driver. If omitted, each object is synced
   * separately.
   */
  readonly wal?: WriteAheadLog | undefined;
  /** Returns a unique name for a temporary file. */
  readonly uniqueName: () => string;
  /** Milliseconds. */
  readonly now: () => number;
  readonly reach: ReachStep;
  readonly fatal: Fatal;
}

/** Objects as files below one folder. Whatever is acknowledged is synced, and so are the folders that contain it. */
export class FilesystemDriver implements StorageDriver {
  readonly kind = 'filesystem';
  readonly createInOrder?: (objects: readonly NewObject[]) => Promise<number>;
  readonly #ports: FilesPorts;
  readonly #reserve: Reserve | undefined;
  readonly #reading: FileReading;
  readonly #objects: FileObjects;
  readonly #durability: FileDurability;
  readonly #staged: StagedFiles;
  /**
   * Two, because a removal may wait for the disk (with the mount option `discard`). More would compete with requests
   * for the processors where it does not.
   */
  readonly #threads = [new FileThread(), new FileThread()] as const;

  constructor(options: FilesystemOptions) {
    const root = resolve(options.root);
    // Keys contain nothing that would have to be resolved.
    const pathOf = (key: Key): string => `${root}/${key}`;
    makeFolder(pathOf('tmp'));
    const reserve = options.hasReserve !== false ? new Reserve(root, options.now) : undefined;
    this.#reserve = reserve;
    this.#ports = {
      ...{ root, pathOf, diskSync: new DiskSync(options.fatal), wal: options.wal },
      // While only the reserve for the log is left, clients get none of it.
      admit: () => {
        if (reserve?.admits() === false) throw storageFull();
      },
      ...{ uniqueName: options.uniqueName, reach: options.reach, fatal: options.fatal },
    };
    this.#reading = new FileReading({ pathOf, thread: this.#threads[0] });
    this.#objects = new FileObjects({ ...this.#ports, reserve, threads: this.#threads });
    if (options.wal !== undefined) this.createInOrder = (objects) => this.#objects.createInOrder(objects);
    this.#durability = new FileDurability(this.#ports);
    this.#staged = new StagedFiles(this.#ports);
  }

  /** Makes all folders under data/ in advance: the first object of a folder would otherwise wait for two more syncs. */
  async prepareShelves(): Promise<void> {
    const { root, diskSync, pathOf } = this.#ports;
    try {
      await diskSync.ensureFolders(pathOf(DATA), SHELVES, root);
    } catch (error) {
      // They are made later, when there is space and something to store in them.
      if (!isFull(error)) throw error;
    }
  }

  create(key: Key, bytes: Uint8Array, named?: readonly WrittenObject[]): Promise<CreateResult> {
    return this.#objects.create(key, bytes, named);
  }

  put(key: Key, bytes: Uint8Array, options?: PutOptions): Promise<void> {
    return this.#objects.put(key, bytes, options);
  }

  read(key: Key): Promise<Uint8Array | undefined> {
    return this.#reading.read(key);
  }

  readSeveral(keys: readonly Key[]): Promise<readonly (Uint8Array | undefined)[]> {
    return this.#reading.readSeveral(keys);
  }

  open(key: Key): Promise<StoredObject | undefined> {
    return this.#reading.open(key);
  }

  head(key: Key): Promise<{ readonly size: number } | undefined> {
    return this.#reading.head(key);
  }

  delete(keys: readonly Key[], options?: DeleteOptions): Promise<readonly DeleteFailure[]> {
    return this.#objects.delete(keys, options);
  }

  deleteAll(prefix: Key): Promise<void> {
    return this.#objects.deleteAll(prefix);
  }

  list(prefix: Key, after?: Key): AsyncIterable<ListedObject> {
    return this.#reading.list(prefix, after);
  }

  listKeys(prefix: Key): AsyncIterable<Key> {
    return this.#reading.listKeys(prefix);
  }

  write(key: Key, bytes: Uint8Array): Promise<WrittenObject> {
    return this.#durability.write(key, bytes);
  }

  confirm(key: Key): Promise<void> {
    return this.#durability.confirm(key);
  }

  stage(
    place: StagedPlace,
    from: number,
    algorithm: Algorithm,
    keep?: KeepState,
    digest?: Digest,
  ): Promise<StagedWrite> {
    return this.#staged.stage(place, from, algorithm, keep, digest);
  }

  takeOver(place: StagedPlace, size: number, inc: Incarnation): Promise<StagedPlace> {
    return this.#staged.takeOver(place, size, inc);
  }

  digestStaged(place: StagedPlace, size: number, algorithm: Algorithm): Promise<Digest | undefined> {
    return this.#staged.digestStaged(place, size, algorithm);
  }

  commit(place: StagedPlace, size: number): Promise<boolean> {
    return this.#staged.commit(place, size);
  }

  discard(place: StagedPlace): Promise<void> {
    return this.#staged.discard(place);
  }

  /** What this driver does for the driver of one other thread of this process. Only for a folder that this process has alone. */
  serveThread(): StoreCalls {
    const reserve = this.#reserve;
    if (reserve === undefined) throw new Error('the data folder is shared: each process opens it by itself');
    return new StoreService({ ...this.#ports, objects: this.#objects, reserve });
  }

  async close(): Promise<void> {
    await this.#ports.wal?.close();
    for (const thread of this.#threads) thread.close();
    this.#staged.close();
  }
}
