import { write, writeSync } from 'node:fs';

const BUFFER_BYTES = 64 * 1024;
const FLUSH_MS = 100;
/** A reader that is so far behind holds the process up: lines are never dropped, and memory is not for them. */
const MAX_PENDING = 16 * 1024 * 1024;
const RETRY_MS = 5;
/** Of a UTF-16 string's length, the most bytes that UTF-8 can need. */
const UTF8_FACTOR = 3;

/**
 * Log lines on their way out. They are gathered into buffers that another thread writes, so that a line costs the serving
 * thread one copy. pino takes it as its destination.
 */
export class LineSink {
  readonly #fd: number;
  #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  #filled = 0;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #writing = false;
  #closed = false;

  constructor(fd: number) {
    this.#fd = fd;
    setInterval(() => this.#hand(), FLUSH_MS).unref();
  }

  write(line: string): void {
    const most = line.length * UTF8_FACTOR;
    if (most > BUFFER_BYTES - this.#filled) {
      this.#hand();
      if (most > BUFFER_BYTES) {
        this.#queue(Buffer.from(line));
        return;
      }
    }
    this.#filled += this.#buffer.write(line, this.#filled, 'utf8');
  }

  /** Everything so far, before the process ends. */
  flushSync(): void {
    this.#hand();
    const pending = Buffer.concat(this.#pending);
    // The part that another thread is writing now is its own; what waits behind it is written here.
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#writeSync(pending);
  }

  #hand(): void {
    if (this.#filled === 0) return;
    this.#queue(this.#buffer.subarray(0, this.#filled));
    this.#buffer = Buffer.allocUnsafe(BUFFER_BYTES);
    this.#filled = 0;
  }

  #queue(bytes: Buffer): void {
    if (this.#closed) return;
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes > MAX_PENDING) this.flushSync();
    else if (!this.#writing) this.#writeNext();
  }

  #writeNext(): void {
    const bytes = this.#pending.shift();
    this.#writing = bytes !== undefined;
    if (bytes === undefined) return;
    this.#pendingBytes -= bytes.length;
    write(this.#fd, bytes, (error, count) => {
      if (error?.code === 'EAGAIN') this.#again(bytes);
      else if (error !== null) this.#closed = true;
      else if (count < bytes.length) this.#again(bytes.subarray(count));
      else this.#writeNext();
    });
  }

  #again(bytes: Buffer): void {
    this.#pending.unshift(bytes);
    this.#pendingBytes += bytes.length;
    setTimeout(() => this.#writeNext(), RETRY_MS);
  }

  #writeSync(bytes: Buffer): void {
    for (let done = 0; done < bytes.length && !this.#closed; ) {
      try {
        done += writeSync(this.#fd, bytes, done);
      } catch (error) {
        // A reader that is merely slow is waited for; one that went away (EPIPE) leaves nobody to write to.
        if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') Bun.sleepSync(RETRY_MS);
        else this.#closed = true;
      }
    }
  }
}
