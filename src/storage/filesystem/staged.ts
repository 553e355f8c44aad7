import { closeSync, ftruncateSync, write, writeSync } from 'node:fs';
import type { StagedProgress, StagedWrite } from '../driver.ts';
import { type Durability, isFull, storageFull } from './durability.ts';
import type { FileHash } from './hasher.ts';

/** Bytes gathered before they are written: network chunks are 64 KiB, and a write costs a trip to another thread. */
const BUFFER_BYTES = 1024 * 1024;
/**
 * With more uploads than this at once, each chunk is written as it comes: buffers for all of them, and the chunks that arrive while
 * a write is under way, would take memory that grows with the number of clients, and there is no time to win.
 */
const CROWD = 4;
/** Dirty bytes after which the kernel is told to write: else the last sync of a big push would do all the work. */
const EARLY_SYNC_BYTES = 32 * 1024 * 1024;

export interface StagedFilePorts {
  readonly durability: Durability;
  /** Throws `storage-full` while clients may write no bytes. */
  readonly admit: () => void;
  /** Makes the file's entry in its folder durable. */
  readonly syncEntry: () => Promise<void>;
}

/** One writer of one staged file: it fills one buffer while the other is being written. */
export class FileStagedWrite implements StagedWrite {
  readonly #fd: number;
  readonly #from: number;
  readonly #hash: FileHash;
  readonly #ports: StagedFilePorts;
  static #open = 0;
  #filling: Uint8Array<ArrayBuffer> | undefined;
  #spare: Uint8Array<ArrayBuffer> | undefined;
  #filled = 0;
  /** All bytes below are in the file. */
  #written: number;
  #syncedEarly: number;
  /** The hashing thread knows of all bytes below. */
  #followed: number;
  #writing: Promise<void> | undefined;
  #earlySync: Promise<void> | undefined;
  #failure: unknown;
  #entryDurable: boolean;

  constructor(fd: number, from: number, hash: FileHash, ports: StagedFilePorts) {
    this.#fd = fd;
    this.#from = from;
    // Bytes that are gone on with were acknowledged, and so was their file's entry.
    this.#entryDurable = from > 0;
    this.#written = from;
    this.#syncedEarly = from;
    this.#followed = from;
    FileStagedWrite.#open++;
    this.#hash = hash;
    this.#ports = ports;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (FileStagedWrite.#open > CROWD) {
      await this.#flush();
      await this.#writeThrough(chunk);
      return;
    }
    for (let taken = 0; taken < chunk.length; ) {
      this.#filling ??= new Uint8Array(BUFFER_BYTES);
      const count = Math.min(chunk.length - taken, this.#filling.length - this.#filled);
      this.#filling.set(chunk.subarray(taken, taken + count), this.#filled);
      this.#filled += count;
      taken += count;
      if (this.#filled === this.#filling.length) await this.#flush();
    }
  }

  async #writeThrough(chunk: Uint8Array): Promise<void> {
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
    this.#filling = undefined;
    this.#spare = undefined;
    this.#ports.admit();
    try {
      for (let done = 0; done < chunk.length; ) {
        const count = writeSync(this.#fd, chunk, done, chunk.length - done, this.#written);
        done += count;
        this.#written += count;
      }
    } catch (error) {
      this.#failure = isFull(error) ? storageFull(error) : error;
      throw this.#failure;
    }
    if (this.#written - this.#followed >= BUFFER_BYTES) await this.#follow();
  }

  async #follow(): Promise<void> {
    this.#followed = this.#written;
    await this.#hash.follow(this.#written);
    this.#startEarlySync();
  }

  async settle(): Promise<StagedProgress> {
    // What failed to be written is lost, what came before it counts: the client goes on from there.
    if (this.#failure === undefined) await this.#flush();
    await this.#writing;
    await this.#earlySync;
    const size = this.#written;
    const [digest] = await Promise.all([this.#hash.digest(size), this.#ports.durability.file(this.#fd)]);
    if (!this.#entryDurable) {
      await this.#ports.syncEntry();
      this.#entryDurable = true;
    }
    return this.#failure === undefined ? { size, digest } : { size, digest, failure: this.#failure };
  }

  async drop(): Promise<void> {
    await this.#writing;
    ftruncateSync(this.#fd, this.#from);
    await this.release();
  }

  async release(): Promise<void> {
    await this.#writing;
    await this.#earlySync;
    await this.#hash.close();
    FileStagedWrite.#open--;
    closeSync(this.#fd);
  }

  /** Hands the filled buffer to the kernel, after the one before it. */
  async #flush(): Promise<void> {
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
    const buffer = this.#filling;
    if (buffer === undefined || this.#filled === 0) return;
    this.#ports.admit();
    const bytes = buffer.subarray(0, this.#filled);
    this.#filling = this.#spare;
    this.#spare = undefined;
    this.#filled = 0;
    this.#writing = this.#writeAll(bytes).then(
      () => {
        this.#spare = buffer;
      },
      (error: unknown) => {
        this.#failure = isFull(error) ? storageFull(error) : error;
      },
    );
    await this.#follow();
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const count = await writeAt(this.#fd, bytes.subarray(done), this.#written);
      done += count;
      this.#written += count;
    }
  }

  #startEarlySync(): void {
    if (this.#earlySync !== undefined || this.#written - this.#syncedEarly < EARLY_SYNC_BYTES) return;
    this.#syncedEarly = this.#written;
    this.#earlySync = this.#ports.durability
      .file(this.#fd, 'data')
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#earlySync = undefined;
      });
  }
}

function writeAt(fd: number, bytes: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, 0, bytes.length, position, (error, count) => (error === null ? resolve(count) : reject(error)));
  });
}
