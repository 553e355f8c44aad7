/* The writing thread: it may wait for a slow reader of the log, which the serving thread must not. */
import { writeSync } from 'node:fs';
import { DONE, type SinkMessage } from './line-protocol.ts';

declare const self: { onmessage: ((event: { data: SinkMessage }) => void) | null };

const RETRY_MS = 5;

let fd = -1;
let counters = new Int32Array(new SharedArrayBuffer(4));
let gone = false;

/** @returns false when the reader went away: then there is nobody to write to. */
function writeAll(bytes: Uint8Array): boolean {
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

self.onmessage = ({ data }) => {
  if (!(data instanceof Uint8Array)) {
    fd = data.fd;
    counters = new Int32Array(data.counters);
    return;
  }
  if (!gone) gone = !writeAll(data);
  Atomics.add(counters, DONE, data.length);
  Atomics.notify(counters, DONE);
};
