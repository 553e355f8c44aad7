import { closeSync, constants, existsSync, linkSync, lstatSync, openSync, type Stats } from 'node:fs';
import { basename, dirname } from 'node:path';
import { LRUCache } from 'lru-cache';
import { codeOf } from '../../system/error-code.ts';
import type { Key } from '../driver.ts';
import { isMissing } from './system-errors.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
/** O_NONBLOCK, because opening a pipe in the place of a file would block. */
export const FILE = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
/** Folders kept open. Most files of a tree are in or near the folder of the previous one. */
const MAX_OPEN_FOLDERS = 64;

/** A symbolic link, pipe or device where a file or folder was expected. None of these is opened. */
export class NoPlainFile extends Error {
  override readonly name = 'NoPlainFile';
}

/**
 * Files below a folder that others may change at any time, opened without following any link below it. The folder
 * itself may be a link.
 *
 * Each folder on the way is opened relative to its parent, by a name under /proc/self/fd. So what was checked is what
 * is used, whatever happens to the path in between. Without /proc (not on Linux) a path is checked and then used,
 * which leaves a race.
 */
export class Beneath {
  readonly #root: string;
  readonly #descriptor: number;
  /** Whether files can be named relative to an open folder. */
  readonly isExact: boolean;
  readonly #folders = new LRUCache<string, number>({
    max: MAX_OPEN_FOLDERS,
    dispose: (descriptor) => closeSync(descriptor),
  });

  constructor(root: string) {
    this.#root = root;
    this.#descriptor = openSync(root, O_RDONLY | O_DIRECTORY);
    this.isExact = existsSync(nameOf(this.#descriptor));
  }

  /**
   * @returns undefined if nothing has that name
   * @throws NoPlainFile for a link, and for anything below one
   */
  stat(key: Key): Stats | undefined {
    try {
      const found = lstatSync(this.#pathOf(key), { throwIfNoEntry: false });
      if (found !== undefined && !found.isFile() && !found.isDirectory()) throw notPlain(key, found);
      return found;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /**
   * Opens for reading. The caller closes the descriptor and checks that it is a file.
   * @throws NoPlainFile for a link, and for anything below one
   */
  open(key: Key): number {
    try {
      return openSync(this.#pathOf(key), FILE);
    } catch (error) {
      throw codeOf(error) === 'ELOOP' ? notPlain(key) : error;
    }
  }

  /** Hard-links whatever has that name, even if it is a symbolic link. */
  link(key: Key, path: string): void {
    linkSync(this.#pathOf(key), path);
  }

  /** A path to an open file, for calls that take no descriptor. */
  sourceOf(key: Key, descriptor: number): string {
    return this.isExact ? nameOf(descriptor) : this.#pathOf(key);
  }

  /** @throws NoPlainFile if the folder or one of its parents is a link. A missing folder is accepted. */
  requireNoLinks(prefix: Key): void {
    try {
      this.#folder(prefix.replace(/\/+$/, '') || '.');
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  close(): void {
    this.#folders.clear();
    closeSync(this.#descriptor);
  }

  /** Must be used before the next call: that one may close the folder and reuse its descriptor number. */
  #pathOf(key: Key): string {
    return `${this.#folder(dirname(key))}/${basename(key)}`;
  }

  #folder(folder: string): string {
    if (folder === '.') return this.isExact ? nameOf(this.#descriptor) : this.#root;
    const known = this.#folders.get(folder);
    if (known !== undefined) return nameOf(known);
    const path = `${this.#folder(dirname(folder))}/${basename(folder)}`;
    if (!this.isExact) {
      if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true) throw notPlain(folder);
      return path;
    }
    try {
      const descriptor = openSync(path, FOLDER);
      this.#folders.set(folder, descriptor);
      return nameOf(descriptor);
    } catch (error) {
      if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true) throw notPlain(folder);
      throw error;
    }
  }
}

function nameOf(descriptor: number): string {
  return `/proc/self/fd/${descriptor}`;
}

/** @param found omit if the name is known to be a symbolic link */
export function notPlain(key: Key, found?: Stats): NoPlainFile {
  const isLink = found === undefined || found.isSymbolicLink();
  return new NoPlainFile(isLink ? `${key} is a symbolic link, and none is followed` : `${key} is no regular file`);
}
