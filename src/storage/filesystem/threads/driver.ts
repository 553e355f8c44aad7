import { existsSync } from 'node:fs';
import { LRUCache } from 'lru-cache';
import type { Algorithm } from '../../../oci/digest.ts';
import type { Digest, Incarnation } from '../../../oci/names.ts';
import type { ReachStep } from '../../crash-points.ts';
import type {
  CreateResult,
  DeleteFailure,
  DeleteOptions,
  KeepState,
  Key,
  ListedObject,
  ObjectStore,
  PutOptions,
  StagedPlace,
  StagedWrite,
  StorageDriver,
  StoredObject,
  WrittenObject,
} from '../../driver.ts';
import { isCreatedOnce, UPLOADS } from '../../paths.ts';
import { Creation, type LogReserve } from '../creation.ts';
import { DiskSync, type Fatal } from '../disk-sync.ts';
import { FileDurability } from '../durability.ts';
import { FileThread } from '../file-thread.ts';
import { sizeOf, writeWhole } from '../files.ts';
import type { ObjectLog, Syncs } from '../ports.ts';
import { FileReading } from '../reading.ts';
import { isReserveHeld } from '../reserve.ts';
import { StagedFiles } from '../staged-files.ts';
import { storageFull } from '../system-errors.ts';
import { MAX_LOGGED_BYTES } from '../wal/wal.ts';
import { ThreadCreation } from './creation.ts';
import type { StoreCalls, ThreadFolder } from './protocol.ts';

/** Folders that are remembered as durable. */
const KNOWN_FOLDERS = 10_000;

export interface ThreadDriverOptions {
  readonly folder: ThreadFolder;
  /** To the thread that has opened the data folder. */
  readonly owner: StoreCalls;
  /** Returns a unique name for a temporary file. */
  readonly uniqueName: () => string;
  readonly reach: ReachStep;
  readonly fatal: Fatal;
}

/**
 * The driver of a thread that does not own the data folder. It reads files and stages uploads by itself. Whatever
 * depends on the owner's memory is a call to the owner: the write-ahead log, the reserve, names with one winner, folders known to be
 * durable.
 */
export class ThreadDriver implements StorageDriver {
  readonly kind = 'filesystem';
  readonly #owner: StoreCalls;
  readonly #pathOf: (key: Key) => string;
  readonly #reserve: Int32Array;
  readonly #reading: FileReading;
  readonly #creation: Pick<ObjectStore, 'create'>;
  readonly #durability: FileDurability;
  readonly #staged: StagedFiles;
  /** Started on first use, for the past of long logs. Only background work lists many objects, and that runs in the owner. */
  readonly #thread = new FileThread();

  constructor({ folder, owner, uniqueName, reach, fatal }: ThreadDriverOptions) {
    const { root, isLogged } = folder;
    const pathOf = (key: Key): string => `${root}/${key}`;
    this.#owner = owner;
    this.#pathOf = pathOf;
    this.#reserve = new Int32Array(folder.reserve);
    const ports = {
      ...{ root, pathOf, reach, diskSync: syncsOf(root, owner, new DiskSync(fatal)) },
      admit: () => {
        if (!isReserveHeld(this.#reserve)) throw storageFull();
      },
    };
    const creationPorts = { ...ports, uniqueName, fatal, reserve: this.#logReserve() };
    this.#reading = new FileReading({ pathOf, thread: this.#thread });
    this.#creation = isLogged
      ? new ThreadCreation({ ...creationPorts, owner })
      : // Of the threads that link one name, the file system lets one win.
        new Creation({ ...creationPorts, wal: undefined });
    this.#durability = new FileDurability({ ...ports, wal: isLogged ? objectLogOf(owner, pathOf) : undefined });
    this.#staged = new StagedFiles(ports);
  }

  create(key: Key, bytes: Uint8Array, named?: readonly WrittenObject[]): Promise<CreateResult> {
    return this.#creation.create(key, bytes, named);
  }

  async put(key: Key, bytes: Uint8Array, { durable = true }: PutOptions = {}): Promise<void> {
    if (durable) return await this.#owner.put(key, bytes);
    await this.#admit();
    await writeWhole(this.#pathOf(key), bytes);
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

  list(prefix: Key, after?: Key): AsyncIterable<ListedObject> {
    return this.#reading.list(prefix, after);
  }

  listKeys(prefix: Key): AsyncIterable<Key> {
    return this.#reading.listKeys(prefix);
  }

  async delete(keys: readonly Key[], options?: DeleteOptions): Promise<readonly DeleteFailure[]> {
    const failures = await this.#owner.delete(keys, options);
    return failures.map(({ key, message, code }) => ({ key, cause: Object.assign(new Error(message), { code }) }));
  }

  async deleteAll(prefix: Key): Promise<void> {
    // The folder of most uploads was never made.
    if (existsSync(this.#pathOf(prefix))) await this.#owner.deleteAll(prefix);
  }

  async write(key: Key, bytes: Uint8Array): Promise<WrittenObject> {
    await this.#admit();
    return await this.#durability.write(key, bytes);
  }

  confirm(key: Key): Promise<void> {
    return this.#durability.confirm(key);
  }

  async stage(
    place: StagedPlace,
    from: number,
    algorithm: Algorithm,
    keep?: KeepState,
    digest?: Digest,
  ): Promise<StagedWrite> {
    await this.#admit();
    return await this.#staged.stage(place, from, algorithm, keep, digest);
  }

  async takeOver(place: StagedPlace, size: number, inc: Incarnation): Promise<StagedPlace> {
    await this.#admit();
    return await this.#staged.takeOver(place, size, inc);
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

  /** Stops this thread's own threads. The data folder stays open. */
  async close(): Promise<void> {
    this.#thread.close();
    this.#staged.close();
  }

  /** For the log: the owner's reserve. */
  #logReserve(): LogReserve {
    return {
      free: () => this.#owner.freeReserve(),
      restore: async () => {
        if (!isReserveHeld(this.#reserve)) await this.#owner.restoreReserve();
      },
    };
  }

  /** As FilesPorts.admit, but also tries to take the reserve back, which only the owner can. */
  async #admit(): Promise<void> {
    if (!isReserveHeld(this.#reserve)) await this.#owner.admit();
  }
}

/** Files and folders are synced here; only the owner remembers which folders are durable, because they may be removed. */
function syncsOf(root: string, owner: StoreCalls, diskSync: DiskSync): Syncs {
  const known = new LRUCache<string, true>({ max: KNOWN_FOLDERS });
  return {
    file: (descriptor, what) => diskSync.file(descriptor, what),
    folder: (path) => diskSync.folder(path),
    ensureFolder: async (path) => {
      if (known.has(path)) return;
      const folder = path.slice(root.length + 1);
      await owner.ensureFolder(folder);
      // Only the folders of uploads are ever removed.
      if (!folder.startsWith(UPLOADS)) known.set(path, true);
    },
  };
}

/** The write-ahead log, as this thread sees it. */
function objectLogOf(owner: StoreCalls, pathOf: (key: Key) => string): ObjectLog {
  return {
    append: ({ key, bytes }) => owner.log(key, bytes),
    // The owner gives an object of this size its name only once its record is synced, and what earlier processes left was synced before
    // this thread began.
    holds: (key) => isCreatedOnce(key) && (sizeOf(pathOf(key)) ?? Number.POSITIVE_INFINITY) <= MAX_LOGGED_BYTES,
  };
}
