/*
 * A sending thread: it writes files into connections, as many at once as it is given, so that big pulls use other processors than the
 * serving thread's. It waits for its connections in the kernel, and for messages while it has none.
 */
import { FFIType, ptr, read } from 'bun:ffi';
import { readSync } from 'node:fs';
import { loadLibc } from '../system/libc.ts';
import type { Outcome, SendFile, SendReply, SendRequest } from './protocol.ts';

declare const self: {
  onmessage: ((event: { data: SendRequest }) => void) | null;
  postMessage(reply: SendReply): void;
};

// Linux, on each processor that Bun runs on.
const POLLIN = 1;
const POLLOUT = 4;
const MSG_NOSIGNAL = 0x4000;
const SHUT_WR = 1;
const SHUT_RDWR = 2;
const TIOCOUTQ = 0x5411;
const EINTR = 4;
const EAGAIN = 11;
const ENOMEM = 12;
const ENOBUFS = 105;
const PASSING = [EINTR, EAGAIN, ENOMEM, ENOBUFS];
/** Bytes of a `struct pollfd`. */
const POLLFD = 8;

/** Bytes read and sent at once: smaller ones wake the client too often, larger ones leave the processor's cache. */
const PIECE = 256 * 1024;
/** Pieces in a row for one client while others wait. */
const TURN = 8;
/** How often clients that take nothing are looked at, in parts of the time that they have. */
const LOOKS = 4;
const LONGEST_WAIT_MS = 5_000;

const { i32, i64, ptr: pointer, u64 } = FFIType;
const libc = loadLibc({
  poll: { args: [pointer, u64, i32], returns: i32 },
  send: { args: [i32, pointer, u64, i32], returns: i64 },
  shutdown: { args: [i32, i32], returns: i32 },
  ioctl: { args: [i32, u64, pointer], returns: i32 },
  __errno_location: { args: [], returns: pointer },
});

interface Transfer extends SendFile {
  headSent: number;
  /** Of the file. */
  at: number;
  /** Bytes that the client's side has acknowledged when that was last looked at, and when they had become more. */
  acknowledged: number;
  since: number;
}

const transfers: Transfer[] = [];
const buffer = new Uint8Array(PIECE);
const bufferAt = ptr(buffer);
const bytesQueued = new Int32Array(1);
const wakes = new Uint8Array(1024);
let polled = new DataView(new ArrayBuffer(POLLFD * 16));
let wake = -1;
let idle = 0;
let lookedAt = 0;
/** Requests that came, and those that were announced by a byte. */
let came = 0;
let announced = 0;

self.onmessage = ({ data }) => {
  if (data.kind === 'start') {
    ({ wake, idle } = data);
    return;
  }
  came++;
  begin(data);
  serve();
};

function begin(request: SendFile): void {
  transfers.push({ ...request, headSent: 0, at: request.start, acknowledged: 0, since: performance.now() });
}

/** Sends until all is sent, or until a message waits: those come only between two runs of this. */
function serve(): void {
  while (transfers.length > 0 && came >= announced) {
    poll();
    for (const [i, transfer] of [...transfers].entries()) if (happened(i + 1) !== 0) step(transfer);
    lookForStalled();
    if (happened(0) !== 0) announced += readSync(wake, wakes);
  }
}

function poll(): void {
  const size = POLLFD * (transfers.length + 1);
  if (polled.byteLength < size) polled = new DataView(new ArrayBuffer(2 * size));
  const watch = (i: number, descriptor: number, events: number): void => {
    polled.setInt32(POLLFD * i, descriptor, true);
    polled.setInt16(POLLFD * i + 4, events, true);
    polled.setInt16(POLLFD * i + 6, 0, true);
  };
  watch(0, wake, POLLIN);
  for (const [i, { socket }] of transfers.entries()) watch(i + 1, socket, POLLOUT);
  libc.poll(ptr(polled), transfers.length + 1, Math.min(LONGEST_WAIT_MS, idle / LOOKS));
}

function happened(i: number): number {
  return polled.getInt16(POLLFD * i + 6, true);
}

function step(transfer: Transfer): void {
  const outcome = advance(transfer);
  if (outcome !== undefined) end(transfer, outcome);
}

/** @returns undefined while there is more to send */
function advance(transfer: Transfer): Outcome | undefined {
  for (let turn = 0; turn < TURN; turn++) {
    const isHead = transfer.headSent < transfer.head.length;
    if (!isHead && transfer.at === transfer.end) return { kind: 'whole' };
    let length: number;
    try {
      length = isHead ? loadHead(transfer) : loadPiece(transfer);
    } catch (error) {
      return { kind: 'failed', message: String(error) };
    }
    const sent = Number(libc.send(transfer.socket, bufferAt, length, MSG_NOSIGNAL));
    if (sent < 0) return PASSING.includes(errno()) ? undefined : { kind: 'client-gone' };
    if (isHead) transfer.headSent += sent;
    else transfer.at += sent;
    if (sent < length) return undefined;
  }
  return undefined;
}

function loadHead({ head, headSent }: Transfer): number {
  const rest = head.subarray(headSent, headSent + PIECE);
  buffer.set(rest);
  return rest.length;
}

/** Read again where the last piece did not go out whole: the file is in memory by then, and a buffer for each client would cost more. */
function loadPiece({ file, at, end }: Transfer): number {
  const length = readSync(file, buffer, 0, Math.min(PIECE, end - at), at);
  if (length === 0) throw new Error(`a stored file ends at ${at}, before ${end}`);
  return length;
}

function errno(): number {
  const location = libc.__errno_location();
  return location === null ? 0 : read.i32(location, 0);
}

function end(transfer: Transfer, outcome: Outcome): void {
  transfers.splice(transfers.indexOf(transfer), 1);
  // What is in the kernel's buffer still goes out, unless the client is to see that something is missing.
  libc.shutdown(transfer.socket, outcome.kind === 'whole' ? SHUT_WR : SHUT_RDWR);
  self.postMessage({ id: transfer.id, sent: transfer.at - transfer.start, outcome });
}

/** A slow client's side acknowledges bytes long before there is room for a piece again. */
function lookForStalled(): void {
  const now = performance.now();
  if (now - lookedAt < idle / LOOKS) return;
  lookedAt = now;
  for (const transfer of [...transfers]) {
    const queued = libc.ioctl(transfer.socket, TIOCOUTQ, ptr(bytesQueued)) === 0 ? (bytesQueued[0] ?? 0) : 0;
    const acknowledged = transfer.headSent + transfer.at - transfer.start - queued;
    if (acknowledged > transfer.acknowledged) {
      transfer.acknowledged = acknowledged;
      transfer.since = now;
    } else if (now - transfer.since >= idle) {
      end(transfer, { kind: 'stalled' });
    }
  }
}
