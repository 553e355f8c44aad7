/* The writing thread. It may block on a slow reader of the log, which the serving thread must not. */
import { writeSync } from 'node:fs';
import { COMPLETED, SharedBuffers, type SinkStart, SUBMITTED } from './line-protocol.ts';

declare const self: { onmessage: ((event: { data: SinkStart }) => void) | null };

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
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) {
        lost = true;
        return;
      }
      Bun.sleepSync(RETRY_MS);
    }
  }
}

/** Writes submitted buffers in order. Never returns: the thread does nothing else, and ends with the process. */
self.onmessage = ({ data: { fd, memory, shape } }) => {
  const shared = new SharedBuffers(memory, shape);
  const { counters } = shared;
  for (let sequence = Atomics.load(counters, COMPLETED); ; ) {
    // Returns at once if the serving thread has submitted more in the meantime.
    Atomics.wait(counters, SUBMITTED, sequence);
    while (sequence !== Atomics.load(counters, SUBMITTED)) {
      writeAll(fd, shared.text(sequence));
      sequence = (sequence + 1) | 0;
      Atomics.store(counters, COMPLETED, sequence);
      Atomics.notify(counters, COMPLETED);
    }
  }
};
