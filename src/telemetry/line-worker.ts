/* The writing thread. It may block on a slow reader of the log, which a serving thread must not. */
import { writeSync } from 'node:fs';
import { codeOf } from '../system/error-code.ts';
import { COMPLETED, SharedBuffers, SUBMITTED, type WriterStart } from './line-protocol.ts';

declare const self: { onmessage: ((event: { data: WriterStart }) => void) | null };

const RETRY_MS = 5;
const NEWLINE = 0x0a;

let lastByte = NEWLINE;
let lost = false;

/** Writes a text. If the disk is full or the pipe has no reader, the text is lost: nothing must wait for it. Later lines may succeed. */
function writeAll(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) {
    try {
      // A line that was cut must not run into the next one.
      if (lost && lastByte !== NEWLINE) writeSync(fd, '\n');
      if (lost) lastByte = NEWLINE;
      lost = false;
      written += writeSync(fd, bytes, written);
      lastByte = bytes[written - 1] ?? NEWLINE;
    } catch (error) {
      if (codeOf(error) !== 'EAGAIN') {
        lost = true;
        return;
      }
      Bun.sleepSync(RETRY_MS);
    }
  }
}

/** The lines of one thread. */
class Source {
  readonly #shared: SharedBuffers;
  #sequence: number;

  constructor(shared: SharedBuffers) {
    this.#shared = shared;
    this.#sequence = Atomics.load(shared.counters, COMPLETED);
  }

  /** Writes what has been submitted so far, in order. @returns false if there was nothing */
  write(fd: number): boolean {
    const { counters } = this.#shared;
    const submitted = Atomics.load(counters, SUBMITTED);
    if (this.#sequence === submitted) return false;
    while (this.#sequence !== submitted) {
      writeAll(fd, this.#shared.text(this.#sequence));
      this.#sequence = (this.#sequence + 1) | 0;
      Atomics.store(counters, COMPLETED, this.#sequence);
      Atomics.notify(counters, COMPLETED);
    }
    return true;
  }
}

/** Never returns: the thread does nothing else, and ends with the process. */
self.onmessage = ({ data: { fd, sinks } }) => {
  const [first] = sinks;
  if (first === undefined) return;
  const bell = new Int32Array(first.bell);
  const sources = sinks.map((sink) => new Source(new SharedBuffers(sink)));
  for (;;) {
    // Waiting for this value returns at once if a thread submits more after this line.
    const rung = Atomics.load(bell, 0);
    let isIdle = true;
    for (const source of sources) {
      if (source.write(fd)) isIdle = false;
      finishLine(source, fd, bell);
    }
    if (isIdle) Atomics.wait(bell, 0, rung);
  }
};

/** A line that is longer than a buffer comes in pieces; no line of another thread may come between them. */
function finishLine(source: Source, fd: number, bell: Int32Array): void {
  while (lastByte !== NEWLINE && !lost) {
    const rung = Atomics.load(bell, 0);
    if (!source.write(fd)) Atomics.wait(bell, 0, rung);
  }
}
