import { COMPLETED, type Shape, SharedBuffers, type SinkMemory } from './line-protocol.ts';

/** Characters of lines that are encoded as one batch. */
const BATCH_LENGTH = 8 * 1024;
const FLUSH_MS = 100;
/** How long the end of the process may wait for a reader that reads nothing. */
const MAX_FINAL_FLUSH_MS = 5_000;
/** The counter is read again after this long at most, even if no notification arrives. */
const MAX_WAIT_MS = 1_000;

/**
 * A thread's destination for log lines, which pino also uses. Lines are batched in memory from which another thread writes, so a line
 * costs the serving thread only one copy.
 */
export class LineSink {
  readonly #shape: Shape;
  readonly #shared: SharedBuffers;
  readonly #encoder = new TextEncoder();
  #lines = '';
  /** Index of the buffer that is being filled, and the bytes in it. */
  #current: number | undefined;
  #filled = 0;
  /** Buffers without text. The one used last is reused first, while it is still in the processor's caches. */
  readonly #free: number[] = [];
  /** Buffers that were used at least once. */
  #used = 0;
  /** Sequence numbers: of the next buffer to submit, and of the oldest one that was not reclaimed yet. */
  #next: number;
  #oldest: number;

  /** @param memory of this sink alone; a LineWriter allocates it */
  constructor(memory: SinkMemory) {
    this.#shape = memory.shape;
    this.#shared = new SharedBuffers(memory);
    this.#next = Atomics.load(this.#shared.counters, COMPLETED);
    this.#oldest = this.#next;
    setInterval(() => this.#flush(), FLUSH_MS).unref();
  }

  write(line: string): void {
    this.#lines += line;
    if (this.#lines.length >= BATCH_LENGTH) this.#encode(Number.POSITIVE_INFINITY);
  }

  /** Returns when all lines so far have left the process, or after 5 s. Call it before the process ends. */
  flushSync(): void {
    const deadline = performance.now() + MAX_FINAL_FLUSH_MS;
    this.#encode(deadline);
    this.#submit();
    while (this.#next !== this.#oldest && this.#reclaim(deadline));
  }

  /** Submits the lines so far, unless the writing thread is behind. Then submitting a partly filled buffer would not speed it up. */
  #flush(): void {
    this.#reclaim(0);
    if (this.#next !== this.#oldest) return;
    this.#encode(Number.POSITIVE_INFINITY);
    this.#submit();
  }

  /** Encoding a batch of lines costs less than encoding each. */
  #encode(deadline: number): void {
    let text = this.#lines;
    this.#lines = '';
    if (text === '' || this.#encodeWhole(text, deadline)) return;
    this.#submit();
    // A line is split over buffers only if it is longer than one.
    if (this.#encodeWhole(text, deadline)) return;
    for (;;) {
      const room = this.#room(deadline);
      if (room === undefined) return;
      const { read, written } = this.#encoder.encodeInto(text, room);
      this.#filled += written;
      // Also the last piece at once: until it arrives, the lines of other threads wait.
      this.#submit();
      if (read === text.length) return;
      text = text.slice(read);
    }
  }

  /** @returns false if the current buffer has too little room. Nothing is added then. */
  #encodeWhole(text: string, deadline: number): boolean {
    const room = this.#room(deadline);
    if (room === undefined || text.length > room.length) return false;
    const { read, written } = this.#encoder.encodeInto(text, room);
    if (read < text.length) return false;
    this.#filled += written;
    return true;
  }

  /** The unused rest of the current buffer. @returns undefined if no buffer becomes free before the deadline */
  #room(deadline: number): Uint8Array | undefined {
    while (this.#current === undefined) {
      this.#reclaim(0);
      this.#current = this.#free.pop() ?? (this.#used < this.#shape.buffers ? this.#used++ : undefined);
      if (this.#current === undefined && !this.#reclaim(deadline)) return undefined;
    }
    const buffer = this.#shared.buffer(this.#current);
    return this.#filled === 0 ? buffer : buffer.subarray(this.#filled);
  }

  #submit(): void {
    if (this.#current === undefined || this.#filled === 0) return;
    this.#shared.submit(this.#next, this.#current, this.#filled);
    this.#current = undefined;
    this.#filled = 0;
    this.#next = (this.#next + 1) | 0;
  }

  /**
   * Frees the buffers that were completed. Blocks this thread until there is at least one.
   * @returns false if there is none before the deadline
   */
  #reclaim(deadline: number): boolean {
    const { counters } = this.#shared;
    let completed = Atomics.load(counters, COMPLETED);
    for (; completed === this.#oldest; completed = Atomics.load(counters, COMPLETED)) {
      const left = deadline - performance.now();
      if (left <= 0) return false;
      Atomics.wait(counters, COMPLETED, completed, Math.min(left, MAX_WAIT_MS));
    }
    for (; this.#oldest !== completed; this.#oldest = (this.#oldest + 1) | 0)
      this.#free.push(this.#shared.submitted(this.#oldest));
    return true;
  }
}
