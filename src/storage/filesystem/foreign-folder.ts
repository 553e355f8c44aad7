import { closeSync, constants, openSync, readFileSync, statSync } from 'node:fs';
import { chmod, copyFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Algorithm, digestOf } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Digest } from '../../oci/names.ts';
import { noCrash } from '../crash-points.ts';
import type { Key, ListedObject, StoredObject } from '../driver.ts';
import { type ForeignStore, ForeignUnreadable, type Given } from '../foreign.ts';
import { FilesystemDriver } from './driver.ts';
import { link, sizeOf } from './files.ts';
import { Hasher } from './hasher.ts';
import { codeOf, isFull, isMissing, storageFull } from './system-errors.ts';

/** Files up to so many bytes are hashed here: asking another thread would take longer. */
const SMALL_BYTES = 128 * 1024;
/** How far the hashing thread goes between two looks at whether it is still wanted. */
const STEP_BYTES = 16 * 1024 * 1024;
/** What a disk or a file's owner says, and what says nothing of the rest. */
const UNREADABLE: ReadonlySet<string | undefined> = new Set(['EACCES', 'EPERM', 'EIO', 'ESTALE', 'ELOOP']);
/** Where there can be no second name: another file system, one without them, a kernel that protects others' files, too many. */
const NO_LINK: ReadonlySet<string | undefined> = new Set([
  ...['EXDEV', 'EPERM', 'EACCES', 'EMLINK', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL'],
]);

/** Files of another program. */
export class ForeignFolder implements ForeignStore {
  readonly kind = 'filesystem';
  readonly place: string;
  readonly gives: boolean;
  readonly #files: FilesystemDriver;
  readonly #hasher = new Hasher();
  /** Our data folder, where that is what they become a part of. */
  readonly #target: string | undefined;
  /** Who must be able to read what is taken over. */
  readonly #reader: number | undefined;
  #opened = 0;

  /** @param target our own data folder; undefined: our store is none */
  constructor(root: string, target: string | undefined) {
    this.place = root;
    this.gives = target !== undefined;
    this.#target = target;
    this.#reader = target === undefined ? undefined : statSync(target).uid;
    const unused = (): never => {
      throw new Error('files of another program are written to');
    };
    this.#files = new FilesystemDriver({
      ...{ root, writable: false, uniqueName: unused, now: unused, reach: noCrash, fatal: unused },
    });
  }

  read(key: Key): Promise<Uint8Array | undefined> {
    return readable(key, () => this.#files.read(key));
  }

  open(key: Key): Promise<StoredObject | undefined> {
    return this.#files.open(key);
  }

  head(key: Key): Promise<{ readonly size: number } | undefined> {
    return readable(key, () => this.#files.head(key));
  }

  /** @throws RegistryError `request-invalid` for a folder that cannot be listed: nobody knows what is left out then */
  async *list(prefix: Key, after?: Key): AsyncIterable<ListedObject> {
    try {
      yield* this.#files.list(prefix, after);
    } catch (error) {
      if (!UNREADABLE.has(codeOf(error))) throw error;
      const message = `${this.place} has a folder that cannot be listed (${codeOf(error)}): whoever imports must be able to`;
      throw new RegistryError('request-invalid', message, undefined, error);
    }
  }

  digest(
    key: Key,
    algorithm: Algorithm,
    onBytes: (count: number) => void,
    signal: AbortSignal,
  ): Promise<Digest | undefined> {
    return readable(key, async () => {
      const path = this.#path(key);
      const size = sizeOf(path);
      if (size === undefined) return undefined;
      if (size > SMALL_BYTES) return await this.#digestLarge(path, size, algorithm, onBytes, signal);
      onBytes(size);
      return digestOf(algorithm, readFileSync(path));
    });
  }

  async #digestLarge(
    path: string,
    end: number,
    algorithm: Algorithm,
    onBytes: (count: number) => void,
    signal: AbortSignal,
  ): Promise<Digest> {
    const descriptor = openSync(path, 'r');
    const hash = this.#hasher.open(`foreign-${++this.#opened}`, algorithm, descriptor, 0);
    try {
      for (let at = 0; at < end; at += STEP_BYTES) {
        signal.throwIfAborted();
        const next = Math.min(end, at + STEP_BYTES);
        await hash.follow(next);
        onBytes(next - at);
      }
      return await hash.digest(end);
    } finally {
      await hash.close();
      closeSync(descriptor);
    }
  }

  /**
   * A second name for the file where that can be, else a copy; file systems that share blocks between files make one without
   * taking room. Only the entry is new: a file keeps its owner and its mode.
   */
  give(key: Key, to: Key): Promise<Given> {
    return readable(key, async () => {
      if (this.#target === undefined) throw new Error('there is no folder to give to');
      const [from, path] = [this.#path(key), join(this.#target, to)];
      if (await this.#maySee(from)) {
        try {
          if ((await link(from, path)) === 'created') return 'linked';
          throw new Error(`${to} is not fresh`);
        } catch (error) {
          if (!NO_LINK.has(codeOf(error))) throw error;
        }
      }
      await this.#copy(from, path);
      return 'copied';
    });
  }

  /** Whether whoever serves the store could read the file under a second name, too. */
  async #maySee(path: string): Promise<boolean> {
    if (this.#reader === undefined || process.getuid?.() === this.#reader) return true;
    const { uid, mode } = await stat(path);
    return uid === this.#reader || (mode & constants.S_IROTH) !== 0;
  }

  async #copy(from: string, path: string): Promise<void> {
    try {
      await copyFile(from, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      await chmod(path, 0o666 & ~process.umask());
    } catch (error) {
      await rm(path, { force: true });
      throw isFull(error) ? storageFull(error) : error;
    }
  }

  async close(): Promise<void> {
    this.#hasher.close();
    await this.#files.close();
  }

  #path(key: Key): string {
    return join(this.place, key);
  }
}

async function readable<T>(key: Key, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = codeOf(error);
    if (UNREADABLE.has(code)) throw new ForeignUnreadable(`${key} cannot be read (${code})`, { cause: error });
    if (isMissing(error)) throw new ForeignUnreadable(`${key} went away while it was read`, { cause: error });
    throw error;
  }
}
