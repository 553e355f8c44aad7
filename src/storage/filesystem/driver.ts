import { closeSync, existsSync, openSync, readFileSync, unlinkSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
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
  PutOptions,
  StagedPlace,
  StagedWrite,
  StorageDriver,
  StoredObject,
  WrittenObject,
} from '../driver.ts';
import { DATA, SHELVES } from '../paths.ts';
import { Creation } from './creation.ts';
import { Deletion } from './deletion.ts';
import { Durability, type Fatal, isFull, isMissing, makeFolder, storageFull } from './durability.ts';
import { FileThread } from './file-thread.ts';
import { isNamed, makeFile, rename, sizeOf, writeFully, writeSynced, writeUnsynced, writeWhole } from './files.ts';
import { Listing } from './listing.ts';
import { Reserve } from './reserve.ts';
import { StagedFiles } from './staged-files.ts';
import { AHEAD_BYTES, type WriteAheadLog } from './wal/wal.ts';

export interface FilesystemOptions {
  /** Absolute path of the data folder. */
  readonly root: string;
  /** false: a reader beside a running server; it writes nothing, not even its temporary folder. */
  readonly writable: boolean;
  /** false: no reserve for a full disk is kept; only one process alone can decide when it is given up. */
  readonly hasReserve?: boolean;
  /** Where small objects become durable first; it closes with the driver. Left out, each is synced by itself. */
  readonly wal?: WriteAheadLog | undefined;
  /** A fresh, never used name for a temporary file. */
  readonly uniqueName: () => string;
  /** Milliseconds. */
  readonly now: () => number;
  readonly reach: ReachStep;
  readonly fatal: Fatal;
}

/** Objects up to this many bytes are read on the serving thread. */
const SMALL_BYTES = 64 * 1024;

/** Objects as files below one folder. What is acknowledged is synced, and so are the folders that name it. */
export class FilesystemDriver implements StorageDriver {
  readonly kind = 'filesystem';
  readonly #options: FilesystemOptions;
  readonly #root: string;
  readonly #durability: Durability;
  readonly #staged: StagedFiles;
  readonly #reserve: Reserve | undefined;
  readonly #creation: Creation;
  readonly #deletion: Deletion;
  readonly #listing: Listing;
  /**
   * Two, because each removal may wait for the disk (a file system that is mounted with `discard` tells it at once). More would take the
   * processors of requests where it does not.
   */
  readonly #threads = [new FileThread(), new FileThread()] as const;
  readonly #wal: WriteAheadLog | undefined;

  constructor(options: FilesystemOptions) {
    this.#options = options;
    this.#root = resolve(options.root);
    this.#wal = options.wal;
    this.#durability = new Durability(options.fatal);
    this.#staged = new StagedFiles({
      root: options.root,
      durability: this.#durability,
      pathOf: (key) => this.#path(key),
      admit: () => this.#admit(),
      reach: options.reach,
    });
    if (options.writable) {
      makeFolder(this.#path('tmp'));
      if (options.hasReserve !== false) this.#reserve = new Reserve(options.root, options.now);
    }
    this.#creation = new Creation({ ...options, durability: this.#durability, reserve: this.#reserve });
    const pathOf = (key: Key): string => this.#path(key);
    const [threads, durability] = [this.#threads, this.#durability];
    this.#deletion = new Deletion({ pathOf, durability, wal: options.wal, threads });
    this.#listing = new Listing({ pathOf, thread: threads[0] });
  }

  /** Makes the folders under data/ ahead: made one by one, each first object in a folder waits for two more syncs. */
  async prepareShelves(): Promise<void> {
    try {
      await this.#durability.ensureFolders(this.#path(DATA), SHELVES, this.#options.root);
    } catch (error) {
      // The missing ones are made when there is room again and something to put there.
      if (!isFull(error)) throw error;
    }
  }

  create(key: Key, bytes: Uint8Array, first?: () => Promise<void>): Promise<CreateResult> {
    return this.#creation.create(key, bytes, first);
  }

  /** For all that clients push: while only the log's room is left they get none of it. */
  #admit(): void {
    if (this.#reserve?.admits() === false) throw storageFull();
  }

  async put(key: Key, bytes: Uint8Array, options: PutOptions = {}): Promise<void> {
    const path = this.#path(key);
    this.#admit();
    if (options.durable === false) {
      await writeWhole(path, bytes);
      return;
    }
    await this.#durability.ensureFolder(dirname(path), this.#options.root);
    const { reach } = this.#options;
    const temporary = this.#path(`tmp/${this.#options.uniqueName()}`);
    await writeSynced(temporary, bytes, { durability: this.#durability, beforeSync: () => reach('put.before-sync') });
    reach('put.before-rename');
    rename(temporary, path);
    reach('put.before-folder-sync');
    await this.#durability.folder(dirname(path));
    // Else the earlier bytes came back after a power cut.
    if (this.#wal?.covers(key) === true) await this.#wal.append({ kind: 'object', key, bytes });
    reach('put.after-folder-sync');
  }

  /** Straight to its name: the entry and the bytes are one transaction of the file system, a rename would be another. */
  async write(key: Key, bytes: Uint8Array): Promise<WrittenObject> {
    const path = this.#path(key);
    this.#admit();
    const { reach } = this.#options;
    if (this.#wal !== undefined && bytes.length <= AHEAD_BYTES) {
      await writeUnsynced(path, bytes);
      reach('put.before-sync');
      return written(this.#tellAhead(this.#wal, key, bytes));
    }
    await this.#durability.ensureFolder(dirname(path), this.#options.root);
    const descriptor = await makeFile(path, 'wx');
    try {
      writeFully(descriptor, bytes);
    } catch (error) {
      closeSync(descriptor);
      unlinkSync(path);
      throw isFull(error) ? storageFull(error) : error;
    }
    reach('put.before-sync');
    return written(this.#settle(path, descriptor));
  }

  async #tellAhead(wal: WriteAheadLog, key: Key, bytes: Uint8Array): Promise<void> {
    try {
      await wal.append({ kind: 'object', key, bytes });
    } catch (error) {
      await rm(this.#path(key), { force: true });
      throw error;
    }
  }

  async #settle(path: string, descriptor: number): Promise<void> {
    const { reach } = this.#options;
    try {
      // Both together: most file systems make one transaction of them.
      await Promise.all([this.#durability.file(descriptor), this.#durability.folder(dirname(path))]);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      closeSync(descriptor);
    }
    reach('put.after-folder-sync');
  }

  async read(key: Key): Promise<Uint8Array | undefined> {
    const path = this.#path(key);
    try {
      // Most reads are of small objects, or of absent ones: another thread would cost more than it saves.
      const size = sizeOf(path);
      if (size === undefined) return undefined;
      return size <= SMALL_BYTES ? readFileSync(path) : await readFile(path);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async open(key: Key): Promise<StoredObject | undefined> {
    const path = this.#path(key);
    const size = sizeOf(path);
    return size === undefined ? undefined : { size, body: { kind: 'file', path } };
  }

  async head(key: Key): Promise<{ readonly size: number } | undefined> {
    const size = sizeOf(this.#path(key));
    return size === undefined ? undefined : { size };
  }

  delete(keys: readonly Key[], options?: DeleteOptions): Promise<readonly DeleteFailure[]> {
    return this.#deletion.delete(keys, options);
  }

  list(prefix: Key, after?: Key): AsyncIterable<ListedObject> {
    return this.#listing.list(prefix, after);
  }

  async confirm(key: Key): Promise<void> {
    const path = this.#path(key);
    // Its name was given after its record was synced.
    if (this.#wal?.holds(key) === true && isNamed(path)) return;
    const descriptor = openSync(path, 'r');
    try {
      await this.#durability.file(descriptor);
    } finally {
      closeSync(descriptor);
    }
    await this.#durability.folder(dirname(path));
  }

  stage(
    place: StagedPlace,
    from: number,
    algorithm: Algorithm,
    _keep?: KeepState,
    digest?: Digest,
  ): Promise<StagedWrite> {
    return this.#staged.stage(place, from, algorithm, digest);
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

  async deleteAll(prefix: Key): Promise<void> {
    const path = this.#path(prefix).replace(/\/$/, '');
    if (!existsSync(path)) return;
    const untold = await this.#deletion.tellRemoved(this.#wal?.coveredBelow(prefix) ?? []);
    for (const cause of untold.values()) throw cause;
    const below = await readdir(path, { recursive: true, withFileTypes: true });
    await rm(path, { recursive: true, force: true });
    this.#durability.forgetFolder(path);
    for (const entry of below) {
      if (entry.isDirectory()) this.#durability.forgetFolder(join(entry.parentPath, entry.name));
    }
  }

  async close(): Promise<void> {
    await this.#wal?.close();
    for (const thread of this.#threads) thread.close();
    this.#staged.close();
  }

  /** Keys are paths already: nothing in them has to be resolved. */
  #path(key: Key): string {
    return `${this.#root}/${key}`;
  }
}

/** Whoever rests on it hears of a failure; who has another use for the bytes need not listen. */
function written(durable: Promise<void>): WrittenObject {
  durable.catch(() => {});
  return { durable };
}
