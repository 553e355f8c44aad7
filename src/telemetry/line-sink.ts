import { DONE, type SinkMessage, type SinkStart } from './line-protocol.ts';

const BUFFER_BYTES = 64 * 1024;
/** Characters of lines that are encoded together. */
const GATHERED = 8 * 1024;
const FLUSH_MS = 100;
/** A reader that is so far behind holds the process up: lines are never dropped, and memory is not for them. */
const MAX_PENDING = 16 * 1024 * 1024;
/** How long the end of the process may wait for a reader that takes nothing. */
const LAST_MS = 5_000;
/** Of a UTF-16 string's length, the most bytes that UTF-8 can need. */
const UTF8_FACTOR = 3;

/**
 * Log lines on their way out. They are gathered into buffers that another thread writes, so that a line costs the serving
 * thread one copy. pino takes it as its destination.
 */
export class LineSink {
  readonly #worker = new Worker(new URL('./line-worker.ts', import.meta.url).href);
  readonly #counters = new Int32Array(new SharedArrayBuffer(4));
  #buffer = Buffer.from(new ArrayBuffer(BUFFER_BYTES));
  #filled = 0;
  #lines = '';
  /** Bytes given to the thread, as a number that wraps around like its counter. */
  #given = 0;

  constructor(fd: number) {
    this.#worker.unref();
    const start: SinkStart = { fd, counters: this.#counters.buffer as SharedArrayBuffer };
    this.#worker.postMessage(start satisfies SinkMessage);
    setInterval(() => this.#hand(), FLUSH_MS).unref();
  }

  write(line: string): void {
    this.#lines += line;
    if (this.#lines.length >= GATHERED) this.#encode();
  }

  /** Encoding many lines at once costs less than each by itself. */
  #encode(): void {
    const line = this.#lines;
    this.#lines = '';
    const most = line.length * UTF8_FACTOR;
    if (most > BUFFER_BYTES - this.#filled) {
      this.#hand();
      if (most > BUFFER_BYTES) {
        this.#give(new Uint8Array(new TextEncoder().encode(line)));
        return;
      }
    }
    this.#filled += this.#buffer.write(line, this.#filled, 'utf8');
  }

  /** Everything so far has left the process when this returns: to be called before it ends. */
  flushSync(): void {
    this.#hand();
    const deadline = performance.now() + LAST_MS;
    this.#waitUntil(0, () => deadline - performance.now());
  }

  #hand(): void {
    this.#encode();
    if (this.#filled === 0) return;
    const bytes = new Uint8Array(this.#buffer.buffer, 0, this.#filled);
    this.#buffer = Buffer.from(new ArrayBuffer(BUFFER_BYTES));
    this.#filled = 0;
    this.#give(bytes);
  }

  #give(bytes: Uint8Array<ArrayBuffer>): void {
    this.#given = (this.#given + bytes.length) | 0;
    this.#worker.postMessage(bytes satisfies SinkMessage, [bytes.buffer]);
    this.#waitUntil(MAX_PENDING, () => Number.POSITIVE_INFINITY);
  }

  /** Holds this thread until at most so many bytes have not left yet. @param left milliseconds that it may still wait */
  #waitUntil(most: number, left: () => number): void {
    for (;;) {
      const done = Atomics.load(this.#counters, DONE);
      if (((this.#given - done) | 0) <= most || left() <= 0) return;
      Atomics.wait(this.#counters, DONE, done, Math.min(left(), 1_000));
    }
  }
}
