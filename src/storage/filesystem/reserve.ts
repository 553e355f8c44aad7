import { randomFillSync } from 'node:crypto';
import { closeSync, fsyncSync, openSync, rmSync, statfsSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { PRIVATE_FILE } from '../../system/private-files.ts';
import { isFull, isMissing } from './system-errors.ts';

/** Space for some thousand small slots. */
const RESERVE_BYTES = 4 * 1024 * 1024;
/**
 * How long to wait before trying to allocate space that the file system does not report: some report no free space,
 * and none reports quotas.
 */
const RETRY_AFTER_MS = 60_000;

/**
 * A file that only takes space. It is freed when the disk is full, so that deletes can still be appended to the
 * log. From then on clients may write nothing else, or they would use that space too, until the file can be allocated
 * again.
 */
export class Reserve {
  readonly #root: string;
  readonly #path: string;
  readonly #now: () => number;
  /** 1 while its space is taken, in memory that other threads may read. */
  readonly #held = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  #triedAt = 0;

  constructor(root: string, now: () => number) {
    this.#root = root;
    this.#path = join(root, 'tmp', 'reserve');
    this.#now = now;
    this.#take();
  }

  /** For isReserveHeld, in other threads. */
  get memory(): SharedArrayBuffer {
    return this.#held.buffer;
  }

  /** Frees its space, unless that was done already. */
  free(): void {
    if (!this.#isHeld) return;
    Atomics.store(this.#held, 0, 0);
    this.#triedAt = this.#now();
    unlinkSync(this.#path);
  }

  /** Whether clients may write. Allocates the file again first, if there is enough space. */
  admits(): boolean {
    this.restore();
    return this.#isHeld;
  }

  /** Allocates the file again if there is enough space. Cheap to call often. */
  restore(): void {
    if (this.#isHeld) return;
    const { bavail, bsize } = statfsSync(this.#root);
    if (bavail * bsize < RESERVE_BYTES && this.#now() - this.#triedAt < RETRY_AFTER_MS) return;
    this.#take();
  }

  get #isHeld(): boolean {
    return isReserveHeld(this.#held);
  }

  #take(): void {
    if (this.#allocate()) Atomics.store(this.#held, 0, 1);
  }

  #allocate(): boolean {
    if (sizeOf(this.#path) === RESERVE_BYTES) return true;
    this.#triedAt = this.#now();
    try {
      const descriptor = openSync(this.#path, 'w', PRIVATE_FILE);
      try {
        // Random, because a file system with compression would reserve nothing for zeros.
        const block = randomFillSync(new Uint8Array(1024 * 1024));
        for (let written = 0; written < RESERVE_BYTES; ) {
          written += writeSync(descriptor, block.subarray(0, RESERVE_BYTES - written));
        }
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      return true;
    } catch (error) {
      if (!isFull(error)) throw error;
      rmSync(this.#path, { force: true });
      return false;
    }
  }
}

/** Whether clients may write, as the thread that has the reserve last knew. @param held of Reserve.memory */
export function isReserveHeld(held: Int32Array): boolean {
  return Atomics.load(held, 0) === 1;
}

function sizeOf(path: string): number | undefined {
  try {
    return statSync(path).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
