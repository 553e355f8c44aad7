/* The writing thread: it may wait for a slow reader of the log, which the serving thread must not. */
import { writeSync } from 'node:fs';
import { DONE, GIVEN, SharedPieces, type SinkStart } from './line-protocol.ts';

declare const self: { onmessage: ((event: { data: SinkStart }) => void) | null };

const RETRY_MS = 5;
const NEWLINE = 0x0a;

let lastByte = NEWLINE;
let lost = false;

/** What finds no room or no reader is lost, so that nobody waits for it: later lines may find a disk with room, or the next reader. */
function writeAll(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) {
    try {
      // A line that broke off is no part of the next one.
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

/** Writes whatever is given, in its order. It never returns: the thread has nothing else to do, and ends with the process. */
self.onmessage = ({ data: { fd, memory, shape } }) => {
  const shared = new SharedPieces(memory, shape);
  const { counters } = shared;
  for (let turn = Atomics.load(counters, DONE); ; ) {
    // Returns at once when the serving thread has given more meanwhile.
    Atomics.wait(counters, GIVEN, turn);
    while (turn !== Atomics.load(counters, GIVEN)) {
      writeAll(fd, shared.text(turn));
      turn = (turn + 1) | 0;
      Atomics.store(counters, DONE, turn);
      Atomics.notify(counters, DONE);
    }
  }
};
