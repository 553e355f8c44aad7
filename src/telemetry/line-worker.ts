/* The writing thread: it may wait for a slow reader of the log, which the serving thread must not. */
import { writeSync } from 'node:fs';
import { DONE, GIVEN, SharedPieces, type SinkStart } from './line-protocol.ts';

declare const self: { onmessage: ((event: { data: SinkStart }) => void) | null };

const RETRY_MS = 5;

/** @returns false when the reader went away: then there is nobody to write to. */
function writeAll(fd: number, bytes: Uint8Array): boolean {
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(fd, bytes, written);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) return false;
      Bun.sleepSync(RETRY_MS);
    }
  }
  return true;
}

/** Writes whatever is given, in its order. It never returns: the thread has nothing else to do, and ends with the process. */
self.onmessage = ({ data: { fd, memory, shape } }) => {
  const shared = new SharedPieces(memory, shape);
  const { counters } = shared;
  let gone = false;
  for (let turn = Atomics.load(counters, DONE); ; ) {
    // Returns at once when the serving thread has given more meanwhile.
    Atomics.wait(counters, GIVEN, turn);
    while (turn !== Atomics.load(counters, GIVEN)) {
      if (!gone) gone = !writeAll(fd, shared.text(turn));
      turn = (turn + 1) | 0;
      Atomics.store(counters, DONE, turn);
      Atomics.notify(counters, DONE);
    }
  }
};
