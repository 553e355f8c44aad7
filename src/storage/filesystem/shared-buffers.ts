/** Memory shared with the hashing thread. */
export type SharedBytes = Uint8Array<SharedArrayBuffer>;

export const BUFFER_BYTES = 1024 * 1024;
/** Buffers kept for the next upload: allocating one costs as much as filling it. */
const MAX_FREE = 16;

/** A pool of buffers for bytes that are being written and hashed. */
export class SharedBuffers {
  readonly #free: SharedBytes[] = [];

  take(): SharedBytes {
    return this.#free.pop() ?? new Uint8Array(new SharedArrayBuffer(BUFFER_BYTES));
  }

  /** @param buffer no longer used by either thread */
  giveBack(buffer: SharedBytes): void {
    if (this.#free.length < MAX_FREE) this.#free.push(buffer);
  }
}
