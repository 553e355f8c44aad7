/** The serving thread's one message to the writing thread: the file to write to, and the memory that both threads share. */
export interface SinkStart {
  readonly fd: number;
  readonly memory: SharedArrayBuffer;
  readonly shape: Shape;
}

/** Memory for lines, as a pool of buffers that are reused. */
export interface Shape {
  /** A power of two, so that sequence numbers may wrap around. */
  readonly buffers: number;
  readonly bufferBytes: number;
}

/** Index of the counter of buffers that were submitted to the writing thread. Counters are 32-bit and wrap around. */
export const SUBMITTED = 0;
/** Index of the counter of buffers that were written, or lost because there was no room or no reader. */
export const COMPLETED = 1;
const COUNTERS = 2;
const WORD_BYTES = Int32Array.BYTES_PER_ELEMENT;

/**
 * One thread's view of the shared memory. A buffer belongs to the serving thread until it is submitted, then to the writing thread
 * until it is completed. The counters are accessed by Atomics only, which orders all other accesses.
 */
export class SharedBuffers {
  readonly counters: Int32Array;
  /** For each sequence number in flight: the buffer that was submitted … */
  readonly #submitted: Int32Array;
  /** … and the length of its text in bytes. */
  readonly #lengths: Int32Array;
  readonly #memory: SharedArrayBuffer;
  readonly #shape: Shape;
  readonly #buffers: Uint8Array[] = [];

  static allocate({ buffers, bufferBytes }: Shape): SharedArrayBuffer {
    const control = controlBytes(buffers);
    // The memory grows on demand: Bun collects garbage less often the more memory is allocated, so unused memory has a price.
    return new SharedArrayBuffer(control, { maxByteLength: control + buffers * bufferBytes });
  }

  constructor(memory: SharedArrayBuffer, shape: Shape) {
    const { buffers } = shape;
    this.#memory = memory;
    this.#shape = shape;
    this.counters = new Int32Array(memory, 0, COUNTERS);
    this.#submitted = new Int32Array(memory, COUNTERS * WORD_BYTES, buffers);
    this.#lengths = new Int32Array(memory, (COUNTERS + buffers) * WORD_BYTES, buffers);
  }

  /** The whole buffer with this index. Grows the memory if need be. */
  buffer(index: number): Uint8Array {
    const known = this.#buffers[index];
    if (known !== undefined) return known;
    const { buffers, bufferBytes } = this.#shape;
    const start = controlBytes(buffers) + index * bufferBytes;
    if (this.#memory.byteLength < start + bufferBytes) this.#memory.grow(start + bufferBytes);
    const buffer = new Uint8Array(this.#memory, start, bufferBytes);
    this.#buffers[index] = buffer;
    return buffer;
  }

  /** Records what is submitted under a sequence number; the caller advances the counter afterwards. */
  submit(sequence: number, index: number, length: number): void {
    const slot = this.#slotOf(sequence);
    this.#submitted[slot] = index;
    this.#lengths[slot] = length;
  }

  /** Index of the buffer that was submitted under a sequence number. */
  submitted(sequence: number): number {
    return this.#submitted[this.#slotOf(sequence)] ?? 0;
  }

  /** The text that was submitted under a sequence number. */
  text(sequence: number): Uint8Array {
    return this.buffer(this.submitted(sequence)).subarray(0, this.#lengths[this.#slotOf(sequence)]);
  }

  #slotOf(sequence: number): number {
    return sequence & (this.#shape.buffers - 1);
  }
}

function controlBytes(buffers: number): number {
  return (COUNTERS + 2 * buffers) * WORD_BYTES;
}
