/*
 * A sending thread. It writes files to any number of connections concurrently, so large pulls do not use the serving thread's CPU. It
 * polls its connections, and waits for messages while it has none.
 */
import { FFIType, ptr, read } from 'bun:ffi';
import { readSync } from 'node:fs';
import { loadLibc } from '../system/libc.ts';
import type { Outcome, SendFile, SendReply, SendRequest } from './protocol.ts';

declare const self: {
  onmessage: ((event: { data: SendRequest }) => void) | null;
  postMessage(reply: SendReply): void;
};

// Constants of Linux, the same on every CPU that Bun supports.
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
const TRANSIENT_ERRNOS = [EINTR, EAGAIN, ENOMEM, ENOBUFS];
/** Size of a `struct pollfd` in bytes. */
const POLLFD_BYTES = 8;

/** Bytes per read and send: smaller pieces wake the client too often, larger ones exceed the CPU's cache. */
const PIECE_BYTES = 256 * 1024;
/** Pieces that one client gets in a row while others wait. */
const PIECES_PER_TURN = 8;
/** Checks for stalled clients within one idle timeout. */
const STALL_CHECKS = 4;
const MAX_POLL_MS = 5_000;

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
  /** Next offset in the file. */
  at: number;
  /** Bytes that the client's kernel had acknowledged at the last check, and when that number last grew. */
  acknowledged: number;
  since: number;
}

const transfers: Transfer[] = [];
const buffer = new Uint8Array(PIECE_BYTES);
const bufferAt = ptr(buffer);
const bytesQueued = new Int32Array(1);
const wakes = new Uint8Array(1024);
let polled = new DataView(new ArrayBuffer(POLLFD_BYTES * 16));
let wake = -1;
let idle = 0;
let checkedAt = 0;
/** Numbers of requests that were received, and of requests that were announced by a byte in the pipe. */
let received = 0;
let announced = 0;

self.onmessage = ({ data }) => {
  if (data.kind === 'start') {
    ({ wake, idle } = data);
    return;
  }
  received++;
  begin(data);
  serve();
};

function begin(request: SendFile): void {
  transfers.push({ ...request, headSent: 0, at: request.start, acknowledged: 0, since: performance.now() });
}

/** Sends until everything is sent or a message is pending. Messages are delivered only between two calls. */
function serve(): void {
  while (transfers.length > 0 && received >= announced) {
    poll();
    for (const [i, transfer] of [...transfers].entries()) if (readyEvents(i + 1) !== 0) step(transfer);
    endStalled();
    if (readyEvents(0) !== 0) announced += readSync(wake, wakes);
  }
}

function poll(): void {
  const size = POLLFD_BYTES * (transfers.length + 1);
  if (polled.byteLength < size) polled = new DataView(new ArrayBuffer(2 * size));
  const watch = (i: number, descriptor: number, events: number): void => {
    polled.setInt32(POLLFD_BYTES * i, descriptor, true);
    polled.setInt16(POLLFD_BYTES * i + 4, events, true);
    polled.setInt16(POLLFD_BYTES * i + 6, 0, true);
  };
  watch(0, wake, POLLIN);
  for (const [i, { socket }] of transfers.entries()) watch(i + 1, socket, POLLOUT);
  libc.poll(ptr(polled), transfers.length + 1, Math.min(MAX_POLL_MS, idle / STALL_CHECKS));
}

function readyEvents(i: number): number {
  return polled.getInt16(POLLFD_BYTES * i + 6, true);
}

function step(transfer: Transfer): void {
  const outcome = advance(transfer);
  if (outcome !== undefined) end(transfer, outcome);
}

/** @returns undefined while there is more to send */
function advance(transfer: Transfer): Outcome | undefined {
  for (let turn = 0; turn < PIECES_PER_TURN; turn++) {
    const isHead = transfer.headSent < transfer.head.length;
    if (!isHead && transfer.at === transfer.end) return { kind: 'whole' };
    let length: number;
    try {
      length = isHead ? loadHead(transfer) : loadPiece(transfer);
    } catch (error) {
      return { kind: 'failed', message: String(error) };
    }
    const sent = Number(libc.send(transfer.socket, bufferAt, length, MSG_NOSIGNAL));
    if (sent < 0) return TRANSIENT_ERRNOS.includes(errno()) ? undefined : { kind: 'client-gone' };
    if (isHead) transfer.headSent += sent;
    else transfer.at += sent;
    if (sent < length) return undefined;
  }
  return undefined;
}

function loadHead({ head, headSent }: Transfer): number {
  const rest = head.subarray(headSent, headSent + PIECE_BYTES);
  buffer.set(rest);
  return rest.length;
}

/** Also reads the unsent rest of the last piece again. It is in the page cache, and a buffer for each client would cost more. */
function loadPiece({ file, at, end }: Transfer): number {
  const length = readSync(file, buffer, 0, Math.min(PIECE_BYTES, end - at), at);
  if (length === 0) throw new Error(`a stored file ends at ${at}, before ${end}`);
  return length;
}

function errno(): number {
  const location = libc.__errno_location();
  return location === null ? 0 : read.i32(location, 0);
}

function end(transfer: Transfer, outcome: Outcome): void {
  transfers.splice(transfers.indexOf(transfer), 1);
  // The kernel's buffer is still sent, unless the client must see that bytes are missing.
  libc.shutdown(transfer.socket, outcome.kind === 'whole' ? SHUT_WR : SHUT_RDWR);
  self.postMessage({ id: transfer.id, sent: transfer.at - transfer.start, outcome });
}

/** Drops stalled clients. Acknowledged bytes count as progress, since a slow client makes room for the next piece much later. */
function endStalled(): void {
  const now = performance.now();
  if (now - checkedAt < idle / STALL_CHECKS) return;
  checkedAt = now;
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
