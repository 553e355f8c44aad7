import { createHash } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { algorithmOf, digestFromHex, digestOf } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import { parseIncarnation } from '../../oci/names.ts';
import { codeOf } from '../../system/error-code.ts';
import { loadLibc } from '../../system/libc.ts';
import { makePrivateFolder, PRIVATE_FILE } from '../../system/private-files.ts';
import type { Archive, Copy } from '../archive.ts';
import { piecesOf } from '../digest-object.ts';
import type { Key, ListedObject, StoredObject } from '../driver.ts';
import { StoreRefused } from '../prepare.ts';
import { FileThread } from './file-thread.ts';
import { writeAll, writeFully } from './files.ts';
import { makeRoot } from './folders.ts';
import { FolderLock } from './lock.ts';
import { runAs } from './owner.ts';
import { FileReading } from './reading.ts';
import { isFull, isMissing } from './system-errors.ts';
import { UnnamedFiles } from './unnamed-files.ts';
import { canSyncAtOnce, FileSystem } from './wal/file-system.ts';

/** Objects up to this size are copied with one read and one write, on the calling thread. */
const SMALL_BYTES = 1024 * 1024;

/** Entries of a folder that count as nothing: of the file system, of an archive, and of a server that never had a store there. */
const NOTHING: ReadonlySet<string> = new Set(['lost+found', 'lock']);
/** The folder of temporary files. */
const TEMPORARY = 'tmp';

export interface FolderArchiveOptions {
  /** Absolute path. */
  readonly root: string;
  /** false: nothing is written, not even a missing folder. */
  readonly writable: boolean;
  /** ULIDs. */
  readonly uniqueName: () => string;
}

/** An archive in a folder. One process at a time writes to it. */
export class FolderArchive implements Archive {
  readonly kind = 'filesystem';
  readonly place: string;
  readonly isAlone = true;
  readonly #reading: FileReading;
  readonly #thread = new FileThread();
  readonly #lock: FolderLock | undefined;
  readonly #uniqueName: () => string;
  /** undefined if one call cannot sync everything. Then each file is synced when it is written. */
  readonly #atOnce: { readonly fileSystem: FileSystem; readonly unnamed: UnnamedFiles } | undefined;
  /** Whether the folder of temporary files is there, without those of earlier processes. */
  #isPrepared = false;

  private constructor({ root, writable, uniqueName }: FolderArchiveOptions, lock: FolderLock | undefined) {
    this.place = root;
    this.#lock = lock;
    this.#uniqueName = uniqueName;
    this.#reading = new FileReading({ pathOf: (key) => join(root, key), thread: this.#thread });
    this.#atOnce = writable && canSyncAtOnce(root) ? this.#syncingAtOnce() : undefined;
  }

  /**
   * Opens a folder. If it is to be written, makes it if it is missing, and locks it. Nothing else in it is changed before the first write:
   * the caller may yet find out that the folder is not ours.
   * @throws StoreRefused in one line: it cannot be used, or another process holds it
   */
  static open(options: FolderArchiveOptions): FolderArchive {
    const { root, writable } = options;
    try {
      if (!writable) {
        if (!statSync(root).isDirectory()) throw new StoreRefused(`${root} is no folder`);
        accessSync(root, constants.R_OK | constants.X_OK);
        return new FolderArchive(options, undefined);
      }
      makeRoot(root);
      accessSync(root, constants.R_OK | constants.W_OK | constants.X_OK);
      const lock = FolderLock.take(root);
      if (lock === undefined) throw new StoreRefused(`${root} is in use by another process of Marina`);
      return new FolderArchive(options, lock);
    } catch (error) {
      if (error instanceof StoreRefused) throw error;
      throw new StoreRefused(reasonOf(root, error));
    }
  }

  #syncingAtOnce(): { readonly fileSystem: FileSystem; readonly unnamed: UnnamedFiles } {
    const fileSystem = new FileSystem(this.place);
    const sync = async (): Promise<void> => {
      try {
        await fileSystem.sync();
      } catch (cause) {
        throw new StoreRefused(`the file system of ${this.place} could not be synced: check the disk`, { cause });
      }
    };
    return { fileSystem, unnamed: new UnnamedFiles({ sync, name: (temporary, key) => this.#name(temporary, key) }) };
  }

  async isEmpty(): Promise<boolean> {
    return readdirSync(this.place).every(
      (name) => NOTHING.has(name) || (name === TEMPORARY && hasNothingForeign(join(this.place, name))),
    );
  }

  async read(key: Key): Promise<Uint8Array | undefined> {
    await this.#named(key);
    return await this.#reading.read(key);
  }

  async open(key: Key): Promise<StoredObject | undefined> {
    await this.#named(key);
    return await this.#reading.open(key);
  }

  async head(key: Key): Promise<{ readonly size: number } | undefined> {
    const size = this.#atOnce?.unnamed.sizeOf(key);
    return size === undefined ? await this.#reading.head(key) : { size };
  }

  /** What this process has written itself is hardly ever read again, so no more is done for it. */
  async #named(key: Key): Promise<void> {
    if (this.#atOnce?.unnamed.sizeOf(key) !== undefined) await this.#atOnce.unnamed.nameAll();
  }

  list(prefix: Key, after?: Key): AsyncIterable<ListedObject> {
    return this.#reading.list(prefix, after);
  }

  async write(key: Key, bytes: Uint8Array): Promise<void> {
    await this.#withTemporary(key, bytes.length, (descriptor) => {
      writeFully(descriptor, bytes);
      return true;
    });
  }

  async writeLast(key: Key, bytes: Uint8Array): Promise<void> {
    // The names of the others become durable with the bytes of this one, by the sync that its own name waits for.
    if (this.#atOnce === undefined) await this.settle();
    else await this.#atOnce.unnamed.nameAll();
    await this.write(key, bytes);
    await this.settle();
  }

  async copy(key: Key, source: StoredObject, { digest, onBytes }: Copy): Promise<boolean> {
    const algorithm = algorithmOf(digest);
    if (source.body.kind === 'file' && source.size <= SMALL_BYTES) {
      const bytes = readFileSync(source.body.path);
      if (bytes.length !== source.size || digestOf(algorithm, bytes) !== digest) return false;
      await this.write(key, bytes);
      await onBytes(bytes.length);
      return true;
    }
    const hash = createHash(algorithm);
    return await this.#withTemporary(key, source.size, async (descriptor) => {
      let at = 0;
      for await (const piece of piecesOf(source.body, source.size)) {
        hash.update(piece);
        await writeAll(descriptor, piece, at);
        at += piece.length;
        await onBytes(piece.length);
      }
      return at === source.size && digestFromHex(algorithm, hash.digest('hex')) === digest;
    });
  }

  /** Gives a file its name, at the latest when it is settled. @param fill returns false to discard the file */
  async #withTemporary(
    key: Key,
    size: number,
    fill: (descriptor: number) => boolean | Promise<boolean>,
  ): Promise<boolean> {
    const temporary = join(this.place, TEMPORARY, this.#uniqueName());
    try {
      this.#prepare();
      const descriptor = openSync(temporary, 'wx', PRIVATE_FILE);
      let isKept: boolean;
      try {
        isKept = await fill(descriptor);
        if (isKept && this.#atOnce === undefined) fsyncSync(descriptor);
      } catch (error) {
        unlinkSync(temporary);
        throw error;
      } finally {
        closeSync(descriptor);
      }
      if (!isKept) unlinkSync(temporary);
      else if (this.#atOnce === undefined) this.#name(temporary, key);
      else await this.#atOnce.unnamed.add(key, { temporary, size });
      return isKept;
    } catch (error) {
      throw isFull(error) ? this.#full(error) : error;
    }
  }

  #prepare(): void {
    if (this.#isPrepared) return;
    const folder = join(this.place, TEMPORARY);
    makePrivateFolder(folder);
    if (!lstatSync(folder).isDirectory()) throw new StoreRefused(`${folder} is a link, not a folder: remove it`);
    for (const name of readdirSync(folder)) if (isLeft(folder, name)) unlinkSync(join(folder, name));
    this.#isPrepared = true;
  }

  #name(temporary: string, key: Key): void {
    const path = join(this.place, key);
    try {
      renameSync(temporary, path);
    } catch (error) {
      if (!isMissing(error)) throw error;
      makePrivateFolder(dirname(path));
      renameSync(temporary, path);
    }
  }

  async remove(keys: readonly Key[]): Promise<void> {
    for (const key of keys) {
      await this.#named(key);
      rmSync(join(this.place, key), { force: true });
    }
  }

  async settle(): Promise<void> {
    if (this.#atOnce === undefined) {
      // The files are synced. Only names of files and folders may be missing on the disk, and the kernel reports no errors of these.
      loadLibc({ sync: { args: [], returns: 'void' } }).sync();
      return;
    }
    try {
      await this.#atOnce.unnamed.settle();
    } catch (error) {
      throw isFull(error) ? this.#full(error) : error;
    }
  }

  async close(): Promise<void> {
    try {
      // What was copied stays for the next run.
      await this.#atOnce?.unnamed.nameAll();
    } finally {
      this.#atOnce?.unnamed.discard();
      this.#atOnce?.fileSystem.close();
      this.#thread.close();
      this.#lock?.release();
    }
  }

  #full(cause: unknown): RegistryError {
    return new RegistryError('storage-full', `${this.place} has no space left: free some there`, undefined, cause);
  }
}

/** Whether a folder of temporary files has none that Marina did not write. */
function hasNothingForeign(folder: string): boolean {
  // A server's reserve: this may turn out to be its data folder.
  return (
    lstatSync(folder).isDirectory() && readdirSync(folder).every((name) => name === 'reserve' || isLeft(folder, name))
  );
}

/** Whether an entry is a temporary file of an earlier process. */
function isLeft(folder: string, name: string): boolean {
  return parseIncarnation(name) !== undefined && lstatSync(join(folder, name)).isFile();
}

function reasonOf(root: string, error: unknown): string {
  if (isMissing(error)) return `${root} does not exist`;
  const code = codeOf(error);
  const advice = code === 'EACCES' && existsSync(root) ? `: run this with ${runAs(statSync(root).uid)}` : '';
  return `${root} cannot be used (${code ?? String(error)})${advice}`;
}
