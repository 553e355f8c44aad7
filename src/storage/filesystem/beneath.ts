import { closeSync, constants, existsSync, linkSync, lstatSync, openSync, type Stats } from 'node:fs';
import { basename, dirname } from 'node:path';
import { LRUCache } from 'lru-cache';
import type { Key } from '../driver.ts';
import { codeOf, isMissing } from './system-errors.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
/** A pipe in the place of a file would keep whoever opens it waiting. */
export const FILE = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
/** Folders that are held open: most files of a tree lie beside or near the last one. */
const MAX_OPEN_FOLDERS = 64;

/** There is something else than a file or folder, most often a symbolic link, which is not followed. */
export class NoPlainFile extends Error {
  override readonly name = 'NoPlainFile';
}

/**
 * Files below a folder that others may change at any time, reached without following any link below it. The folder itself may be one.
 *
 * Each folder on the way is opened from the one above it, by its name under /proc/self/fd: what was looked at is what is used, whatever
 * happens to its path meanwhile. Where there is no /proc (not Linux) paths are looked at, then used.
 */
export class Beneath {
  readonly #root: string;
  readonly #descriptor: number;
  /** Whether files can be named by descriptors of their folders. */
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

  /** undefined where there is nothing. @throws NoPlainFile for a link, or below one */
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

  /** For reading; the caller closes it, and looks whether it is a file. @throws NoPlainFile for a link, or below one */
  open(key: Key): number {
    try {
      return openSync(this.#pathOf(key), FILE);
    } catch (error) {
      throw codeOf(error) === 'ELOOP' ? notPlain(key) : error;
    }
  }

  /** A second name for whatever is there, a link too. */
  link(key: Key, path: string): void {
    linkSync(this.#pathOf(key), path);
  }

  /** A path by which a call that takes no descriptor reads what was opened. */
  sourceOf(key: Key, descriptor: number): string {
    return this.isExact ? nameOf(descriptor) : this.#pathOf(key);
  }

  /** @throws NoPlainFile where a link is in the way; a folder that is missing is none */
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

  /** To be used at once: a folder that was not used for long is closed, and its number used again. */
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

/** @param found left out for a link */
export function notPlain(key: Key, found?: Stats): NoPlainFile {
  const isLink = found === undefined || found.isSymbolicLink();
  return new NoPlainFile(isLink ? `${key} is a symbolic link, and none is followed` : `${key} is no regular file`);
}
