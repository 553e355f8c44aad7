/** The one message to the writing thread: the file to write to, and the memory of each thread that logs. */
export interface WriterStart {
  readonly fd: number;
  readonly sinks: readonly SinkMemory[];
}

/** What a thread that logs shares with the writing thread. It can be sent to another thread. */
export interface SinkMemory {
  readonly lines: SharedArrayBuffer;
  readonly shape: Shape;
  /** One word, the same for all sinks: it counts submitted buffers. The writing thread waits for it to change. */
  readonly bell: SharedArrayBuffer;
}

/** Memory for lines, as a pool of buffers that are reused. */
export interface Shape {
  /** A power of two, so that sequence numbers may wrap around. */
  readonly buffers: number;
  readonly bufferBytes: number;
}

/** Index of the counter of a sink's buffers that were submitted to the writing thread. Counters are 32-bit and wrap around. */
export const SUBMITTED = 0;
/** Index of the counter of buffers that were written, or lost because there was no room or no reader. */
export const COMPLETED = 1;
const COUNTERS = 2;
const WORD_BYTES = Int32Array.BYTES_PER_ELEMENT;

/**
 * One thread's view of the memory of a sink. A buffer belongs to the thread that logs until it is submitted, then to the writing thread
 * until it is completed. The counters are accessed by Atomics only, which orders all other accesses.
 */
export class SharedBuffers {
  readonly counters: Int32Array;
  readonly #bell: Int32Array;
  /** For each sequence number in flight: the buffer that was submitted … */
  readonly #submitted: Int32Array;
  /** … and the length of its text in bytes. */
  readonly #lengths: Int32Array;
  readonly #memory: SharedArrayBuffer;
  readonly #shape: Shape;
  readonly #buffers: Uint8Array[] = [];

  /** @param first the first sequence number */
  static allocate(shape: Shape, bell: SharedArrayBuffer, first: number): SinkMemory {
    const { buffers, bufferBytes } = shape;
    const control = controlBytes(buffers);
    // The memory grows on demand: Bun collects garbage less often the more memory is allocated, so unused memory has a price.
    const lines = new SharedArrayBuffer(control, { maxByteLength: control + buffers * bufferBytes });
    new Int32Array(lines, 0, COUNTERS).fill(first);
    return { lines, shape, bell };
  }

  constructor({ lines, shape, bell }: SinkMemory) {
    const { buffers } = shape;
    this.#memory = lines;
    this.#shape = shape;
    this.#bell = new Int32Array(bell);
    this.counters = new Int32Array(lines, 0, COUNTERS);
    this.#submitted = new Int32Array(lines, COUNTERS * WORD_BYTES, buffers);
    this.#lengths = new Int32Array(lines, (COUNTERS + buffers) * WORD_BYTES, buffers);
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

  /** Submits the text in a buffer under the next sequence number, and wakes the writing thread. */
  submit(sequence: number, index: number, length: number): void {
    const slot = this.#slotOf(sequence);
    this.#submitted[slot] = index;
    this.#lengths[slot] = length;
    Atomics.store(this.counters, SUBMITTED, (sequence + 1) | 0);
    Atomics.add(this.#bell, 0, 1);
    Atomics.notify(this.#bell, 0);
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
