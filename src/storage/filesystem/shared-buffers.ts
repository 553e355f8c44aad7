/** Memory shared with the hashing thread. */
export type SharedBytes = Uint8Array<SharedArrayBuffer>;

export const BUFFER_BYTES = 1024 * 1024;
/** Buffers of one upload: one is being filled, one written, and hashing may lag by the rest. */
export const BUFFERS = 4;
/**
 * With more concurrent uploads than this in all threads, each chunk is written as it comes: buffers for all of them, and chunks that
 * arrive during a write, would take memory that grows with the number of clients and would save no time.
 */
const MAX_BUFFERED_UPLOADS = 4;

/** A thread's pool of buffers for bytes that are being written and hashed. */
export class SharedBuffers {
  /** How many concurrent uploads of this thread may have buffers. */
  readonly maxUploads: number;
  /** Kept for the next upload: allocating one costs as much as filling it. */
  readonly #free: SharedBytes[] = [];

  /** @param threads that share the memory of the process; each may have buffers for one upload at least */
  constructor(threads = 1) {
    this.maxUploads = Math.max(1, Math.floor(MAX_BUFFERED_UPLOADS / threads));
  }

  take(): SharedBytes {
    return this.#free.pop() ?? new Uint8Array(new SharedArrayBuffer(BUFFER_BYTES));
  }

  /** @param buffer no longer used by either thread */
  giveBack(buffer: SharedBytes): void {
    if (this.#free.length < this.maxUploads * BUFFERS) this.#free.push(buffer);
  }
}
