import { closeSync, fstatSync, ftruncateSync, writeSync } from 'node:fs';
import { freeBytes } from '../../system/free-bytes.ts';
import type { StagedProgress, StagedWrite } from '../driver.ts';
import type { DiskSync } from './disk-sync.ts';
import type { FileHash } from './hasher.ts';
import { isFull, storageFull } from './system-errors.ts';

/** The hashing thread is notified after this many bytes. */
const FOLLOW_BYTES = 1024 * 1024;
/**
 * After this many bytes the kernel is told to begin to write them. Otherwise the disk would be idle until the last sync, which would do all
 * the work (docs/decisions/0108).
 */
const WRITE_BACK_BYTES = 4 * FOLLOW_BYTES;
/**
 * After this many bytes they are synced, and a client that is that far ahead of the sync before waits. If the disk is slower than the client,
 * the kernel would otherwise make the serving thread wait, and with it all clients.
 */
const SYNC_BYTES = 64 * FOLLOW_BYTES;

export interface StagedFilePorts {
  readonly diskSync: Pick<DiskSync, 'file'>;
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

/**
 * One writer of one staged file. Each chunk is written as it comes, on the serving thread, which costs less than to hand it to another one. The
 * hashing thread reads the bytes back from the page cache.
 */
export class FileStagedWrite implements StagedWrite {
  readonly #file: StagedFile;
  readonly #from: number;
  readonly #ports: StagedFilePorts;
  /** All bytes before this position are in the file. */
  #written: number;
  /** The hashing thread knows of all bytes before this position. */
  #followed: number;
  /** The kernel was told to write all bytes before this position. */
  #writtenBack: number;
  /** A sync of all bytes before this position was started. */
  #synced: number;
  #sync: Promise<void> | undefined;
  /** Some written bytes may not be on the disk. A later sync would not report that again. */
  #syncFailure: unknown;
  #entryDurable: boolean;

  constructor(file: StagedFile, from: number, ports: StagedFilePorts) {
    this.#file = file;
    this.#from = from;
    // Bytes from earlier requests were acknowledged, and so was the file's entry.
    this.#entryDurable = from > 0;
    this.#written = from;
    this.#followed = from;
    this.#writtenBack = from;
    this.#synced = from;
    this.#ports = ports;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#written - this.#synced >= SYNC_BYTES) await this.#startSync();
    this.#ports.admit();
    this.#append(chunk);
    freeBytes(chunk);
    if (this.#written - this.#followed < FOLLOW_BYTES) return;
    const { hash } = this.#file;
    if (this.#written - this.#writtenBack >= WRITE_BACK_BYTES) {
      this.#writtenBack = this.#written;
      hash.writeBack();
    }
    this.#followed = this.#written;
    await hash.follow(this.#written);
  }

  async settle(): Promise<StagedProgress> {
    const { descriptor, hash } = this.#file;
    const size = this.#written;
    const hashed = hash.digest(size);
    // The last sync does not wait for one that runs. If both run, the kernel reports a failure to one of them.
    const synced = this.#ports.diskSync.file(descriptor);
    // Only when all have ended may an error be thrown: the caller then closes the descriptor.
    await Promise.allSettled([hashed, synced, this.#sync]);
    this.#throwSyncFailure();
    await synced;
    const digest = await hashed;
    // Another process may have truncated the file.
    const { size: found } = fstatSync(descriptor);
    if (found < size) throw new Error(`the staged file ends at ${found}, ${size} were written`);
    if (!this.#entryDurable) {
      await this.#ports.syncEntry();
      this.#entryDurable = true;
    }
    return { size, digest };
  }

  async drop(): Promise<void> {
    try {
      ftruncateSync(this.#file.descriptor, this.#from);
    } finally {
      await this.release();
    }
  }

  async release(): Promise<void> {
    await this.#sync;
    await this.#file.hash.close();
    closeSync(this.#file.descriptor);
  }

  async #startSync(): Promise<void> {
    await this.#sync;
    this.#throwSyncFailure();
    this.#synced = this.#written;
    this.#sync = this.#ports.diskSync.file(this.#file.descriptor, 'data').catch((error: unknown) => {
      this.#syncFailure = error;
    });
  }

  #throwSyncFailure(): void {
    if (this.#syncFailure !== undefined) throw this.#syncFailure;
  }

  #append(chunk: Uint8Array): void {
    try {
      for (let done = 0; done < chunk.length; ) {
        const count = writeSync(this.#file.descriptor, chunk, done, chunk.length - done, this.#written);
        done += count;
        this.#written += count;
      }
    } catch (error) {
      throw isFull(error) ? storageFull(error) : error;
    }
  }
}
