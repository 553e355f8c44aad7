import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { type Incarnation, parseIncarnation } from '../../oci/names.ts';
import { codeOf } from '../../system/error-code.ts';
import { closeToOthers, makePrivateFolder } from '../../system/private-files.ts';
import { FolderLock } from '../filesystem/lock.ts';
import { isMissing } from '../filesystem/system-errors.ts';
import type { KeptFile } from './kept-files.ts';

const FREE_SHARE = 0.1;

/** Why a folder cannot be used as the cache, in one line. */
export class CacheRefused extends Error {
  override readonly name = 'CacheRefused';
}

/** `gone`: missing, or of another length. `unreadable`: it cannot be opened now. */
type FoundFile =
  | { readonly kind: 'found'; readonly path: string }
  | { readonly kind: 'gone' }
  | { readonly kind: 'unreadable' };

/*
 *   blobs/<incarnation>.<bytes>   complete and verified
 *   tmp/<ulid>                    being filled; removed at the start
 *   lock                          held with flock(2) by the process that uses the cache
 */
export class CacheFolder {
  readonly #blobs: string;
  readonly #temporary: string;
  readonly #lock: FolderLock;
  readonly #root: string;
  readonly #freeShare: number;

  private constructor(root: string, lock: FolderLock, freeShare: number) {
    this.#root = root;
    this.#freeShare = freeShare;
    this.#blobs = join(root, 'blobs');
    this.#temporary = join(root, 'tmp');
    this.#lock = lock;
  }

  /**
   * @param freeShare share of the file system that is left free for others
   * @throws CacheRefused if another process holds the folder, or this one may not write to it
   */
  static open(path: string, freeShare: number = FREE_SHARE): CacheFolder {
    const root = resolve(path);
    let lock: FolderLock | undefined;
    try {
      makePrivateFolder(root);
      accessSync(root, constants.R_OK | constants.W_OK | constants.X_OK);
      lock = FolderLock.take(root);
      if (lock === undefined) throw new CacheRefused(`${root} is in use by another Marina`);
      const folder = new CacheFolder(root, lock, freeShare);
      folder.#make();
      folder.#removeUnfinished();
      return folder;
    } catch (error) {
      lock?.release();
      if (error instanceof CacheRefused) throw error;
      throw new CacheRefused(`${root} cannot be used (${codeOf(error) ?? String(error)})`);
    }
  }

  /** Removes only files that this class made, because the folder may contain files of other programs. */
  #removeUnfinished(): void {
    for (const name of readdirSync(this.#temporary)) {
      if (parseIncarnation(name) !== undefined) rmSync(join(this.#temporary, name), { force: true });
    }
  }

  /** The files of an earlier process, least recently used first. Incomplete ones are removed. */
  scan(): readonly KeptFile[] {
    const found: (KeptFile & { readonly used: number })[] = [];
    for (const name of readdirSync(this.#blobs)) {
      const path = join(this.#blobs, name);
      const file = parseName(name);
      if (file === undefined) continue;
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat?.isFile() && stat.size === file.size) {
        // Most file systems record the access time to the day: enough for an order.
        found.push({ ...file, used: Math.max(stat.atimeMs, stat.mtimeMs) });
      } else if (stat?.isFile()) rmSync(path, { force: true });
    }
    return found.sort((a, b) => a.used - b.used);
  }

  /** Checks that the file still exists, because it may be removed from outside at any time. */
  find(file: KeptFile): FoundFile {
    const path = this.#path(file);
    try {
      // Opened, not only stat'ed: a failing disk shows here.
      const descriptor = openSync(path, 'r');
      try {
        const found = fstatSync(descriptor);
        return found.isFile() && found.size === file.size ? { kind: 'found', path } : { kind: 'gone' };
      } finally {
        closeSync(descriptor);
      }
    } catch (error) {
      if (isMissing(error)) return { kind: 'gone' };
      // Without a code it is not an error of the file system.
      if (codeOf(error) === undefined) throw error;
      return { kind: 'unreadable' };
    }
  }

  remove(file: KeptFile): void {
    rmSync(this.#path(file), { force: true });
  }

  /**
   * The path to which a blob is written before it is complete.
   * @param name a ULID
   */
  temporary(name: string): string {
    return join(this.#temporary, name);
  }

  /** Renames a complete, verified and synced file to its name. */
  keep(temporary: string, file: KeptFile): void {
    renameSync(temporary, this.#path(file));
  }

  /** Bytes to remove so that enough of the file system is free for others; negative if enough is free. */
  shortage(): number {
    this.#make();
    const { bavail, blocks, bsize } = statfsSync(this.#root);
    return Math.ceil(blocks * this.#freeShare - bavail) * bsize;
  }

  close(): void {
    this.#lock.release();
  }

  /** Creates the folders, also if they were removed from outside. */
  #make(): void {
    for (const folder of [this.#blobs, this.#temporary]) {
      makePrivateFolder(folder);
      closeToOthers(folder);
    }
  }

  #path({ inc, size }: KeptFile): string {
    return join(this.#blobs, `${inc}.${size}`);
  }
}

function parseName(name: string): KeptFile | undefined {
  const [, id = '', digits] = /^([^.]+)\.(\d{1,15})$/.exec(name) ?? [];
  const inc: Incarnation | undefined = parseIncarnation(id);
  return inc === undefined || digits === undefined ? undefined : { inc, size: Number(digits) };
}
