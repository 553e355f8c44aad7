import { closeSync, constants, fstatSync, lstatSync, openSync, read, readFileSync, type Stats } from 'node:fs';
import { chmod, copyFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Algorithm, algorithmOf, digestOf } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Digest } from '../../oci/names.ts';
import { codeOf } from '../../system/error-code.ts';
import { PRIVATE_FILE } from '../../system/private-files.ts';
import type { ByteRange, Key, ListedObject, StoredObject } from '../driver.ts';
import { type ForeignStore, ForeignUnreadable, type Given, type Verification } from '../foreign.ts';
import { Beneath, FILE, NoPlainFile, notPlain } from './beneath.ts';
import { FileThread } from './file-thread.ts';
import { link } from './files.ts';
import { Hasher } from './hasher.ts';
import { Listing } from './listing.ts';
import { isFull, isMissing, storageFull } from './system-errors.ts';

/** Files up to this size are hashed on this thread: a round trip to another one would take longer. */
const SMALL_BYTES = 128 * 1024;
/** Bytes hashed between two checks of the signal. */
const STEP_BYTES = 16 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;
/** Only links and manifests are read whole, and neither is longer. */
const MAX_WHOLE_BYTES = 8 * 1024 * 1024;
/** Errors that concern one file only: its owner denies access, or the disk cannot read it. */
const UNREADABLE: ReadonlySet<string | undefined> = new Set(['EACCES', 'EPERM', 'EIO', 'ESTALE', 'ELOOP', 'ENXIO']);
/**
 * Errors that mean that a hard link is impossible: another file system, one without links, a kernel that protects
 * others' files, too many links.
 */
const NO_LINK: ReadonlySet<string | undefined> = new Set([
  ...['EXDEV', 'EPERM', 'EACCES', 'EMLINK', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL'],
]);
const MAY_BE_WRITTEN_BY_OTHERS = 0o022;

/** Files of another program. It may change them at any time, and so may any other user with write access. */
export class ForeignFolder implements ForeignStore {
  readonly kind = 'filesystem';
  readonly place: string;
  readonly gives: boolean;
  readonly #files: Beneath;
  readonly #thread = new FileThread();
  readonly #listing: Listing;
  readonly #hasher = new Hasher();
  /** Our data folder, if the files become part of it. */
  readonly #target: string | undefined;
  #opened = 0;

  /** @param target our data folder; undefined if our store is not a folder */
  constructor(root: string, target: string | undefined) {
    this.place = root;
    this.gives = target !== undefined;
    this.#target = target;
    this.#files = new Beneath(root);
    this.#listing = new Listing({
      pathOf: (key) => join(root, key),
      thread: this.#thread,
      onOther: (key) => this.#refuseLinkedFolder(key),
    });
  }

  read(key: Key): Promise<Uint8Array | undefined> {
    return readable(key, async () => {
      if (this.#files.stat(key)?.isFile() !== true) return undefined;
      return this.#withFile(key, (descriptor, { size }) => {
        if (size > MAX_WHOLE_BYTES)
          throw new ForeignUnreadable(`${key} has ${size} bytes, more than any link or manifest`);
        return readFileSync(descriptor);
      });
    });
  }

  open(key: Key): Promise<StoredObject | undefined> {
    return readable(key, async () => {
      const found = this.#files.stat(key);
      if (found?.isFile() !== true) return undefined;
      return { size: found.size, body: { kind: 'stream', open: (range) => this.#stream(key, range) } };
    });
  }

  head(key: Key): Promise<{ readonly size: number } | undefined> {
    return readable(key, async () => {
      const found = this.#files.stat(key);
      return found?.isFile() === true ? { size: found.size } : undefined;
    });
  }

  /** @throws RegistryError `request-invalid` if a folder cannot be listed, because its content would be missed */
  async *list(prefix: Key, after?: Key): AsyncIterable<ListedObject> {
    try {
      this.#files.requireNoLinks(prefix);
      yield* this.#listing.list(prefix, after);
    } catch (error) {
      if (error instanceof NoPlainFile) throw new RegistryError('request-invalid', `${this.place}: ${error.message}`);
      if (!UNREADABLE.has(codeOf(error))) throw error;
      const message = `${this.place} has a folder that cannot be listed (${codeOf(error)}): give the importing user access to it`;
      throw new RegistryError('request-invalid', message, undefined, error);
    }
  }

  #refuseLinkedFolder(key: Key): void {
    const found = lstatSync(join(this.place, key), { throwIfNoEntry: false });
    if (found?.isSymbolicLink() === true) throw notPlain(key);
  }

  /**
   * Hard-links the file if that is safe and possible, else copies it (without using space on file systems that share
   * blocks). A hard link shares the file with every process that can write to it, so only files of our own user that
   * no other user may write to are linked. A process that opened such a file for writing earlier cannot be detected.
   *
   * The verified file itself becomes the object: the link or copy is made in our own tmp/ first, where no other user
   * can replace it, and is verified through one descriptor.
   */
  give(key: Key, to: Key, size: number, verification: Verification | undefined): Promise<Given | undefined> {
    return readable(key, async () => {
      if (this.#target === undefined) throw new Error('there is no folder to give to');
      const temporary = join(this.#target, 'tmp', basename(to));
      try {
        const way = this.#link(key, temporary) ? 'linked' : 'copied';
        if (way === 'copied') await this.#copy(key, temporary);
        if (!(await this.#isAs(key, temporary, size, verification))) return undefined;
        if ((await link(temporary, join(this.#target, to))) === 'taken') throw new Error(`${to} is not fresh`);
        return way;
      } finally {
        await rm(temporary, { force: true });
      }
    });
  }

  /** @returns false if it must be copied */
  #link(key: Key, temporary: string): boolean {
    if (!this.#files.isExact || !isOurs(this.#files.stat(key))) return false;
    try {
      this.#files.link(key, temporary);
    } catch (error) {
      if (NO_LINK.has(codeOf(error))) return false;
      throw error;
    }
    // It may be another file than the one that was checked.
    if (isOurs(lstatSync(temporary))) return true;
    throw new ForeignUnreadable(`${key} changed while it was taken over`);
  }

  async #copy(key: Key, temporary: string): Promise<void> {
    const descriptor = this.#files.open(key);
    try {
      if (!fstatSync(descriptor).isFile()) throw notPlain(key, fstatSync(descriptor));
      const source = this.#files.sourceOf(key, descriptor);
      await copyFile(source, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      await chmod(temporary, PRIVATE_FILE);
    } catch (error) {
      throw isFull(error) ? storageFull(error) : error;
    } finally {
      closeSync(descriptor);
    }
  }

  async #isAs(key: Key, path: string, size: number, verification: Verification | undefined): Promise<boolean> {
    const descriptor = openSync(path, FILE);
    try {
      if (fstatSync(descriptor).size !== size) throw new ForeignUnreadable(`${key} changed while it was taken over`);
      if (verification === undefined) return true;
      const { digest, onBytes, signal } = verification;
      const algorithm = algorithmOf(digest);
      if (size > SMALL_BYTES) return (await this.#digestLarge(descriptor, size, algorithm, onBytes, signal)) === digest;
      onBytes(size);
      return digestOf(algorithm, readFileSync(descriptor)) === digest;
    } finally {
      closeSync(descriptor);
    }
  }

  async #digestLarge(
    descriptor: number,
    end: number,
    algorithm: Algorithm,
    onBytes: (count: number) => void,
    signal: AbortSignal,
  ): Promise<Digest> {
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
    }
  }

  /** Opens the file when the first bytes are requested. */
  #stream(key: Key, { start, end }: ByteRange): ReadableStream<Uint8Array> {
    let descriptor: number | undefined;
    let at = start;
    const close = (): void => {
      if (descriptor !== undefined) closeSync(descriptor);
      descriptor = undefined;
    };
    const next = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
      if (at < end) {
        descriptor ??= this.#files.open(key);
        const bytes = await readAt(descriptor, new Uint8Array(Math.min(CHUNK_BYTES, end - at)), at);
        if (bytes.length === 0) throw new ForeignUnreadable(`${key} changed while it was taken over`);
        at += bytes.length;
        controller.enqueue(bytes);
      }
      if (at < end) return;
      close();
      controller.close();
    };
    return new ReadableStream<Uint8Array>(
      {
        pull: (controller) =>
          readable(key, () => next(controller)).catch((error: unknown) => {
            close();
            throw error;
          }),
        cancel: close,
      },
      { highWaterMark: 0 },
    );
  }

  #withFile<T>(key: Key, work: (descriptor: number, found: Stats) => T): T {
    const descriptor = this.#files.open(key);
    try {
      const found = fstatSync(descriptor);
      if (!found.isFile()) throw notPlain(key, found);
      return work(descriptor, found);
    } finally {
      closeSync(descriptor);
    }
  }

  async close(): Promise<void> {
    this.#hasher.close();
    this.#thread.close();
    this.#files.close();
  }
}

/** A file whose bytes only this process's own user (and root) may change. */
function isOurs(found: Stats | undefined): boolean {
  if (found?.isFile() !== true) return false;
  return found.uid === process.geteuid?.() && (found.mode & MAY_BE_WRITTEN_BY_OTHERS) === 0;
}

function readAt(descriptor: number, buffer: Uint8Array, position: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    read(descriptor, buffer, 0, buffer.length, position, (error, count) =>
      error === null ? resolve(buffer.subarray(0, count)) : reject(error),
    );
  });
}

async function readable<T>(key: Key, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof NoPlainFile) throw new ForeignUnreadable(error.message, { cause: error });
    const code = codeOf(error);
    if (UNREADABLE.has(code)) throw new ForeignUnreadable(`${key} cannot be read (${code})`, { cause: error });
    if (isMissing(error)) throw new ForeignUnreadable(`${key} was removed while it was read`, { cause: error });
    throw error;
  }
}
