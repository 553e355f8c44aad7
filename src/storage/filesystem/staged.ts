import { closeSync, fstatSync, ftruncateSync, writeSync } from 'node:fs';
import { freeBytes } from '../../system/free-bytes.ts';
import type { StagedProgress, StagedWrite } from '../driver.ts';
import type { DiskSync } from './disk-sync.ts';
import { writeAll } from './files.ts';
import type { FileHash } from './hasher.ts';
import { BUFFER_BYTES, BUFFERS, type SharedBuffers, type SharedBytes } from './shared-buffers.ts';
import { isFull, storageFull } from './system-errors.ts';

/** Dirty bytes after which a sync is started early. Otherwise the last sync of a big push would do all the work. */
const EARLY_SYNC_BYTES = 32 * 1024 * 1024;

export interface StagedFilePorts {
  readonly diskSync: Pick<DiskSync, 'file'>;
  readonly buffers: SharedBuffers;
  /** Throws `storage-full` while clients may not write. */
  readonly admit: () => void;
  /** Makes the file's entry in its folder durable. */
  readonly syncEntry: () => Promise<void>;
}

/** The file and its running hash. */
export interface StagedFile {
  readonly descriptor: number;
  readonly hash: FileHash;
}

/** One writer of one staged file. It fills one buffer while others are being written and hashed. */
export class FileStagedWrite implements StagedWrite {
  /** In this thread. */
  static #open = 0;
  readonly #file: StagedFile;
  readonly #from: number;
  readonly #ports: StagedFilePorts;
  readonly #free: SharedBytes[] = [];
  #filling: SharedBytes | undefined;
  #filled = 0;
  /** All bytes before this position are in the file. */
  #written: number;
  /** All bytes before this position are in the file or being written. */
  #submitted: number;
  /** Bytes in the page cache that no early sync covers yet. */
  #dirty = 0;
  /** Bytes in the file that the hashing thread does not know of yet. */
  #unfollowed = 0;
  #writing: Promise<void> = Promise.resolve();
  /** One for each buffer that is being written or hashed, in order. */
  readonly #busy: Promise<void>[] = [];
  #earlySync: Promise<void> | undefined;
  /** Some written bytes may not be on the disk. A later sync would not report that again. */
  #syncFailure: unknown;
  #failure: unknown;
  #entryDurable: boolean;

  constructor(file: StagedFile, from: number, ports: StagedFilePorts) {
    this.#file = file;
    this.#from = from;
    // Bytes from earlier requests were acknowledged, and so was the file's entry.
    this.#entryDurable = from > 0;
    this.#written = from;
    this.#submitted = from;
    FileStagedWrite.#open++;
    this.#ports = ports;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (FileStagedWrite.#open > this.#ports.buffers.maxUploads) {
      this.#flush();
      await this.#writeThrough(chunk);
      freeBytes(chunk);
      return;
    }
    for (let taken = 0; taken < chunk.length; ) {
      this.#filling ??= await this.#nextBuffer();
      const count = Math.min(chunk.length - taken, BUFFER_BYTES - this.#filled);
      this.#filling.set(chunk.subarray(taken, taken + count), this.#filled);
      this.#filled += count;
      taken += count;
      if (this.#filled === BUFFER_BYTES) this.#flush();
    }
    freeBytes(chunk);
  }

  async settle(): Promise<StagedProgress> {
    const { descriptor, hash } = this.#file;
    // Bytes that failed to be written are lost, the ones before them count: the client continues from there.
    if (this.#failure === undefined) this.#flush();
    await this.#writing;
    await this.#earlySync;
    if (this.#syncFailure !== undefined) throw this.#syncFailure;
    const size = this.#written;
    const [digest] = await Promise.all([hash.digest(size), this.#ports.diskSync.file(descriptor)]);
    // The hash covers the bytes passed to the kernel. Another process may have truncated the file.
    const { size: found } = fstatSync(descriptor);
    if (found < size) throw new Error(`the staged file ends at ${found}, ${size} were written`);
    if (!this.#entryDurable) {
      await this.#ports.syncEntry();
      this.#entryDurable = true;
    }
    return this.#failure === undefined ? { size, digest } : { size, digest, failure: this.#failure };
  }

  async drop(): Promise<void> {
    await this.#writing;
    try {
      ftruncateSync(this.#file.descriptor, this.#from);
    } finally {
      await this.release();
    }
  }

  async release(): Promise<void> {
    await this.#writing;
    await this.#earlySync;
    await this.#file.hash.close();
    await Promise.all(this.#busy);
    FileStagedWrite.#open--;
    closeSync(this.#file.descriptor);
    if (this.#filling !== undefined) this.#free.push(this.#filling);
    this.#filling = undefined;
    for (const buffer of this.#free.splice(0)) this.#ports.buffers.giveBack(buffer);
  }

  async #nextBuffer(): Promise<SharedBytes> {
    if (this.#busy.length === BUFFERS - 1) await this.#busy[0];
    this.#throwFailure();
    return this.#free.pop() ?? this.#ports.buffers.take();
  }

  /** Passes the buffered bytes to the kernel, after the previous ones, and to the hashing thread. */
  #flush(): void {
    this.#throwFailure();
    if (this.#filling === undefined || this.#filled === 0) return;
    this.#ports.admit();
    const buffer = this.#filling;
    const bytes = buffer.subarray(0, this.#filled);
    const from = this.#submitted;
    this.#submitted += bytes.length;
    this.#filling = undefined;
    this.#filled = 0;
    this.#writing = this.#writing.then(() => this.#writeBuffered(bytes, from));
    const done = Promise.all([this.#writing, this.#file.hash.take(bytes, from)]).then(() => {
      this.#free.push(buffer);
      void this.#busy.shift();
    });
    this.#busy.push(done);
  }

  /** Never rejects: the next call throws the failure, and nothing is written behind the gap. */
  async #writeBuffered(bytes: SharedBytes, from: number): Promise<void> {
    if (this.#failure !== undefined) return;
    try {
      await writeAll(this.#file.descriptor, bytes, from);
      this.#written += bytes.length;
      this.#startEarlySync(bytes.length);
    } catch (error) {
      this.#failure = isFull(error) ? storageFull(error) : error;
    }
  }

  async #writeThrough(chunk: Uint8Array): Promise<void> {
    await this.#writing;
    this.#throwFailure();
    this.#ports.admit();
    try {
      for (let done = 0; done < chunk.length; ) {
        const count = writeSync(this.#file.descriptor, chunk, done, chunk.length - done, this.#written);
        done += count;
        this.#written += count;
      }
    } catch (error) {
      this.#failure = isFull(error) ? storageFull(error) : error;
      throw this.#failure;
    } finally {
      this.#submitted = this.#written;
    }
    this.#unfollowed += chunk.length;
    if (this.#unfollowed < BUFFER_BYTES) return;
    this.#startEarlySync(this.#unfollowed);
    this.#unfollowed = 0;
    await this.#file.hash.follow(this.#written);
  }

  #startEarlySync(written: number): void {
    this.#dirty += written;
    if (this.#earlySync !== undefined || this.#dirty < EARLY_SYNC_BYTES) return;
    this.#dirty = 0;
    this.#earlySync = this.#ports.diskSync
      .file(this.#file.descriptor, 'data')
      .catch((error: unknown) => {
        this.#syncFailure ??= error;
        this.#failure ??= error;
      })
      .finally(() => {
        this.#earlySync = undefined;
      });
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
