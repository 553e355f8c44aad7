import { ptr } from 'bun:ffi';

/** Memory that the hashing thread reads too. */
export type SharedBytes = Uint8Array<SharedArrayBuffer>;

/** What is written past the page cache must begin here in memory and in its file, and be of whole such blocks. */
export const BLOCK_BYTES = 4096;
export const BUFFER_BYTES = 1024 * 1024;
/** Buffers that are kept for the next upload: making one costs as much as filling it. */
const KEPT = 16;

/** Buffers for what is on its way to the disk, each at the beginning of a block. */
export class SharedBuffers {
  readonly #free: SharedBytes[] = [];

  take(): SharedBytes {
    return this.#free.pop() ?? makeBuffer();
  }

  /** @param buffer which neither thread needs any more */
  giveBack(buffer: SharedBytes): void {
    if (this.#free.length < KEPT) this.#free.push(buffer);
  }
}

function makeBuffer(): SharedBytes {
  const memory = new SharedArrayBuffer(BUFFER_BYTES + BLOCK_BYTES);
  const behind = ptr(new Uint8Array(memory)) % BLOCK_BYTES;
  return new Uint8Array(memory, behind === 0 ? 0 : BLOCK_BYTES - behind, BUFFER_BYTES);
}
