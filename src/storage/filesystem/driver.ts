import {
  closeSync,
  existsSync,
  ftruncateSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Algorithm } from '../../oci/digest.ts';
import type { Digest } from '../../oci/names.ts';
import type { ReachStep } from '../crash-points.ts';
import type {
  CreateResult,
  DeleteFailure,
  Key,
  ListedObject,
  PutOptions,
  StagedPlace,
  StagedWrite,
  StorageDriver,
  StoredObject,
} from '../driver.ts';
import { DATA, dataKey, SHELVES, stagedKey } from '../paths.ts';
import { stagedGone } from '../staged-gone.ts';
import { codeOf, Durability, type Fatal, isFull, isMissing, makeFolder, storageFull } from './durability.ts';
import { Hasher } from './hasher.ts';
import { Reserve } from './reserve.ts';
import { FileStagedWrite } from './staged.ts';

export interface FilesystemOptions {
  /** Absolute path of the data folder. */
  readonly root: string;
  /** false: a reader beside a running server; it writes nothing, not even its temporary folder. */
  readonly writable: boolean;
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
  readonly #durability: Durability;
  readonly #hasher = new Hasher();
  readonly #reserve: Reserve | undefined;

  constructor(options: FilesystemOptions) {
    this.#options = options;
    this.#durability = new Durability(options.fatal);
    if (!options.writable) return;
    makeFolder(this.#path('tmp'));
    this.#reserve = new Reserve(options.root, options.now);
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

  async create(key: Key, bytes: Uint8Array): Promise<CreateResult> {
    const path = this.#path(key);
    if ((await this.#withReserve(() => this.#writeAndLink(path, bytes))) === 'taken') return 'taken';
    const { reach } = this.#options;
    reach('create.before-folder-sync');
    await this.#durability.folder(dirname(path));
    reach('create.after-folder-sync');
    this.#reserve?.restore();
    return 'created';
  }

  async #writeAndLink(path: string, bytes: Uint8Array): Promise<CreateResult> {
    await this.#durability.ensureFolder(dirname(path), this.#options.root);
    const { reach } = this.#options;
    reach('create.before-write');
    const temporary = await this.#writeTemporary(bytes, () => reach('create.before-sync'));
    try {
      reach('create.before-link');
      linkSync(temporary, path);
      return 'created';
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return 'taken';
      throw isFull(error) ? storageFull(error) : error;
    } finally {
      unlinkSync(temporary);
    }
  }

  /** For the log alone: when the disk is full its reserve is given up, if that was not done already, and the work repeated. */
  async #withReserve<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!isFull(error)) throw error;
      this.#reserve?.giveUp();
      return await work();
    }
  }

  /** For all that clients push: while only the log's room is left they get none of it. */
  #admit(): void {
    if (this.#reserve?.admits() === false) throw storageFull();
  }

  async put(key: Key, bytes: Uint8Array, options: PutOptions = {}): Promise<void> {
    const path = this.#path(key);
    this.#admit();
    if (options.durable === false) {
      makeFolderOf(path, () => writeWhole(path, bytes));
      return;
    }
    await this.#durability.ensureFolder(dirname(path), this.#options.root);
    const { reach } = this.#options;
    if (options.fresh === true) {
      // Straight to its name: the entry and the bytes are one transaction of the file system, a rename would be another.
      await this.#writeNew(path, bytes, () => reach('put.before-sync'));
    } else {
      const temporary = await this.#writeTemporary(bytes, () => reach('put.before-sync'));
      reach('put.before-rename');
      rename(temporary, path);
    }
    reach('put.before-folder-sync');
    await this.#durability.folder(dirname(path));
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

  async delete(keys: readonly Key[]): Promise<readonly DeleteFailure[]> {
    const failures: DeleteFailure[] = [];
    const folders = new Set<string>();
    for (const key of keys) {
      const path = this.#path(key);
      try {
        unlinkSync(path);
        folders.add(dirname(path));
      } catch (error) {
        if (!isMissing(error)) failures.push({ key, cause: error });
      }
    }
    await Promise.all([...folders].map((folder) => this.#durability.folder(folder)));
    return failures;
  }

  async *list(prefix: Key, after?: Key): AsyncIterable<ListedObject> {
    const folder = this.#path(prefix);
    let entries: { name: string; isDirectory(): boolean }[];
    try {
      entries = await readdir(folder, { withFileTypes: true });
    } catch (error) {
      if (isMissing(error)) return;
      throw error;
    }
    // The order of whole keys: a folder's key goes on with a slash.
    const names = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name));
    names.sort((a, b) => (a < b ? -1 : 1));
    for (const name of names) {
      const key = prefix + name;
      if (name.endsWith('/')) {
        if (after === undefined || key > after || after.startsWith(key)) yield* this.list(key, after);
      } else if (after === undefined || key > after) {
        const size = sizeOf(this.#path(key));
        if (size !== undefined) yield { key, size };
      }
    }
  }

  async confirm(key: Key): Promise<void> {
    const path = this.#path(key);
    const descriptor = openSync(path, 'r');
    try {
      await this.#durability.file(descriptor);
    } finally {
      closeSync(descriptor);
    }
    await this.#durability.folder(dirname(path));
  }

  async stage(place: StagedPlace, from: number, algorithm: Algorithm): Promise<StagedWrite> {
    const path = this.#path(stagedKey(place.upload, place.inc));
    const folder = dirname(path);
    this.#admit();
    await this.#durability.ensureFolder(folder, this.#options.root);
    if (from > 0 && (sizeOf(path) ?? 0) < from) throw stagedGone();
    const descriptor = openFile(path, from === 0 ? 'w+' : 'r+');
    if (from > 0) ftruncateSync(descriptor, from);
    const hash = this.#hasher.open(place.inc, algorithm, descriptor, from);
    this.#options.reach('stage.opened');
    const write = new FileStagedWrite(descriptor, from, hash, {
      durability: this.#durability,
      admit: () => this.#admit(),
      syncEntry: () => this.#durability.folder(folder),
    });
    return this.#withCrashPoints(write);
  }

  #withCrashPoints(write: StagedWrite): StagedWrite {
    const { reach } = this.#options;
    return {
      write: (chunk) => write.write(chunk),
      release: () => write.release(),
      drop: () => write.drop(),
      settle: async () => {
        reach('stage.before-settle');
        const progress = await write.settle();
        reach('stage.after-settle');
        return progress;
      },
    };
  }

  async digestStaged(place: StagedPlace, size: number, algorithm: Algorithm): Promise<Digest | undefined> {
    const path = this.#path(stagedKey(place.upload, place.inc));
    if ((sizeOf(path) ?? -1) < size) return undefined;
    const descriptor = openSync(path, 'r');
    // An id of its own: the state of the session's algorithm is not disturbed.
    const hash = this.#hasher.open(`${place.inc}/${algorithm}`, algorithm, descriptor, 0);
    try {
      return await hash.digest(size);
    } finally {
      await hash.close();
      closeSync(descriptor);
    }
  }

  async commit(place: StagedPlace, size: number): Promise<boolean> {
    const staged = this.#path(stagedKey(place.upload, place.inc));
    const path = this.#path(dataKey(place.inc));
    const { reach } = this.#options;
    await this.#durability.ensureFolder(dirname(path), this.#options.root);
    const there = sizeOf(staged);
    // A commit that was cut short by a kill between the rename and its acknowledgement is repeated.
    if (there === undefined && sizeOf(path) !== size) return false;
    if (there !== undefined && there < size) return false;
    if (there !== undefined) {
      await this.#cutAndSync(staged, there, size);
      reach('commit.before-rename');
      rename(staged, path);
    }
    reach('commit.before-folder-sync');
    await this.#durability.folder(dirname(path));
    reach('commit.after-folder-sync');
    return true;
  }

  /** The staged bytes are synced by settle(); here only what lies behind them goes, and the new length is synced. */
  async #cutAndSync(path: string, there: number, size: number): Promise<void> {
    if (there === size) return;
    const descriptor = openSync(path, 'r+');
    try {
      ftruncateSync(descriptor, size);
      await this.#durability.file(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }

  async discard(place: StagedPlace): Promise<void> {
    const path = this.#path(stagedKey(place.upload, place.inc));
    await rm(path, { force: true });
  }

  async deleteAll(prefix: Key): Promise<void> {
    const path = this.#path(prefix).replace(/\/$/, '');
    if (!existsSync(path)) return;
    const below = await readdir(path, { recursive: true, withFileTypes: true });
    await rm(path, { recursive: true, force: true });
    this.#durability.forgetFolder(path);
    for (const entry of below) {
      if (entry.isDirectory()) this.#durability.forgetFolder(join(entry.parentPath, entry.name));
    }
  }

  async close(): Promise<void> {
    this.#hasher.close();
  }

  #path(key: Key): string {
    return join(this.#options.root, key);
  }

  async #writeTemporary(bytes: Uint8Array, beforeSync: () => void): Promise<string> {
    const path = join(this.#options.root, 'tmp', this.#options.uniqueName());
    await this.#writeNew(path, bytes, beforeSync);
    return path;
  }

  /** Leaves nothing behind when it fails. */
  async #writeNew(path: string, bytes: Uint8Array, beforeSync: () => void): Promise<void> {
    try {
      await this.#writeSynced(path, bytes, beforeSync);
    } catch (error) {
      await rm(path, { force: true });
      throw isFull(error) ? storageFull(error) : error;
    }
  }

  async #writeSynced(path: string, bytes: Uint8Array, beforeSync: () => void): Promise<void> {
    const descriptor = openSync(path, 'wx');
    try {
      writeFully(descriptor, bytes);
      beforeSync();
      await this.#durability.file(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }
}

function sizeOf(path: string): number | undefined {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    return found?.isFile() ? found.size : undefined;
  } catch (error) {
    // A part of the name is an object: nothing can be below it.
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function writeFully(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
}

/** Making a file takes room too. */
function openFile(path: string, flags: string): number {
  try {
    return openSync(path, flags);
  } catch (error) {
    throw isFull(error) ? storageFull(error) : error;
  }
}

function writeWhole(path: string, bytes: Uint8Array): void {
  const descriptor = openFile(path, 'w');
  try {
    writeFully(descriptor, bytes);
  } catch (error) {
    throw isFull(error) ? storageFull(error) : error;
  } finally {
    closeSync(descriptor);
  }
}

/** Most folders are there already: they are made only when the first try says that they are not. */
function makeFolderOf(path: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    if (!isMissing(error)) throw error;
    makeFolder(dirname(path));
    write();
  }
}

function rename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    throw isFull(error) ? storageFull(error) : error;
  }
}
