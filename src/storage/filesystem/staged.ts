import { closeSync, fstatSync, ftruncateSync, writeSync } from 'node:fs';
import { freeBytes } from '../../system/free-bytes.ts';
import type { StagedProgress, StagedWrite } from '../driver.ts';
import type { DirectFile } from './direct-file.ts';
import type { DiskSync } from './disk-sync.ts';
import type { FileHash } from './hasher.ts';
import { BLOCK_BYTES, BUFFER_BYTES, type SharedBuffers, type SharedBytes } from './shared-buffers.ts';
import { isFull, storageFull } from './system-errors.ts';

/** Buffers of one upload: one is filled, one written, and the hashing may be behind by the rest. */
const BUFFERS = 4;
/**
 * With more uploads than this at once, each chunk is written as it comes: buffers for all of them, and the chunks that arrive while
 * a write is under way, would take memory that grows with the number of clients, and there is no time to win.
 */
const CROWD = 4;
/** Dirty bytes after which the kernel is told to write: else the last sync of a big push would do all the work. */
const EARLY_SYNC_BYTES = 32 * 1024 * 1024;

export interface StagedFilePorts {
  readonly diskSync: DiskSync;
  readonly buffers: SharedBuffers;
  /** Throws `storage-full` while clients may write no bytes. */
  readonly admit: () => void;
  /** Makes the file's entry in its folder durable. */
  readonly syncEntry: () => Promise<void>;
}

/** The file, as it is written and as it is hashed. */
export interface StagedFile {
  readonly descriptor: number;
  readonly direct: DirectFile;
  readonly hash: FileHash;
}

interface Filling {
  readonly buffer: SharedBytes;
  readonly end: number;
}

/** One writer of one staged file: it fills one buffer while the others are being written and hashed. */
export class FileStagedWrite implements StagedWrite {
  static #open = 0;
  readonly #file: StagedFile;
  readonly #from: number;
  readonly #ports: StagedFilePorts;
  readonly #free: SharedBytes[] = [];
  #filling: Filling | undefined;
  #filled = 0;
  /** All bytes below are in the file. */
  #written: number;
  /** All bytes below are in the file or on their way. */
  #handed: number;
  /** Bytes in the page cache that the kernel was not told to write. */
  #dirty = 0;
  /** Bytes in the file that the hashing thread was not told of. */
  #unfollowed = 0;
  #writing: Promise<void> = Promise.resolve();
  /** One for each buffer that is being written or hashed, in order. */
  readonly #busy: Promise<void>[] = [];
  #earlySync: Promise<void> | undefined;
  /** Bytes that were written may not be on the disk: a later sync does not tell of it again. */
  #syncFailure: unknown;
  #failure: unknown;
  #entryDurable: boolean;

  constructor(file: StagedFile, from: number, ports: StagedFilePorts) {
    this.#file = file;
    this.#from = from;
    // Bytes that are gone on with were acknowledged, and so was their file's entry.
    this.#entryDurable = from > 0;
    this.#written = from;
    this.#handed = from;
    FileStagedWrite.#open++;
    this.#ports = ports;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (FileStagedWrite.#open > CROWD) {
      this.#flush();
      await this.#writeThrough(chunk);
      freeBytes(chunk);
      return;
    }
    for (let taken = 0; taken < chunk.length; ) {
      this.#filling ??= await this.#nextBuffer();
      const { buffer, end } = this.#filling;
      const count = Math.min(chunk.length - taken, end - this.#filled);
      buffer.set(chunk.subarray(taken, taken + count), this.#filled);
      this.#filled += count;
      taken += count;
      if (this.#filled === end) this.#flush();
    }
    freeBytes(chunk);
  }

  async settle(): Promise<StagedProgress> {
    const { descriptor, hash } = this.#file;
    // What failed to be written is lost, what came before it counts: the client goes on from there.
    if (this.#failure === undefined) this.#flush();
    await this.#writing;
    await this.#earlySync;
    if (this.#syncFailure !== undefined) throw this.#syncFailure;
    const size = this.#written;
    const [digest] = await Promise.all([hash.digest(size), this.#ports.diskSync.file(descriptor)]);
    // The hash is of the bytes that were handed over, not of those that a file has which somebody else cut.
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
    ftruncateSync(this.#file.descriptor, this.#from);
    await this.release();
  }

  async release(): Promise<void> {
    await this.#writing;
    await this.#earlySync;
    await this.#file.hash.close();
    await Promise.all(this.#busy);
    FileStagedWrite.#open--;
    this.#file.direct.close();
    closeSync(this.#file.descriptor);
    if (this.#filling !== undefined) this.#free.push(this.#filling.buffer);
    this.#filling = undefined;
    for (const buffer of this.#free.splice(0)) this.#ports.buffers.giveBack(buffer);
  }

  /** Behind bytes of an odd length it is filled only to where a block of the file ends: from there on whole blocks are written. */
  async #nextBuffer(): Promise<Filling> {
    if (this.#busy.length === BUFFERS - 1) await this.#busy[0];
    this.#throwFailure();
    const buffer = this.#free.pop() ?? this.#ports.buffers.take();
    return { buffer, end: BUFFER_BYTES - (this.#handed % BLOCK_BYTES) };
  }

  /** Hands what was gathered to the kernel, after what came before it, and to the hashing thread. */
  #flush(): void {
    this.#throwFailure();
    if (this.#filling === undefined || this.#filled === 0) return;
    this.#ports.admit();
    const { buffer } = this.#filling;
    const bytes = buffer.subarray(0, this.#filled);
    const from = this.#handed;
    this.#handed += bytes.length;
    this.#filling = undefined;
    this.#filled = 0;
    this.#writing = this.#writing.then(() => this.#writeGathered(bytes, from));
    const done = Promise.all([this.#writing, this.#file.hash.take(bytes, from)]).then(() => {
      this.#free.push(buffer);
      void this.#busy.shift();
    });
    this.#busy.push(done);
  }

  /** Never rejects: whoever comes next is told of the failure, and writes nothing behind the gap. */
  async #writeGathered(bytes: SharedBytes, from: number): Promise<void> {
    if (this.#failure !== undefined) return;
    try {
      const isDirect = await this.#file.direct.write(bytes, from);
      this.#written += bytes.length;
      if (!isDirect) this.#startEarlySync(bytes.length);
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
      this.#handed = this.#written;
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
