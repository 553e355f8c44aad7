// HTTP over a plain socket: sends requests that fetch would refuse or silently correct.
import { connect } from 'node:net';
import { within } from '../support/within.ts';

/** A piece that closes the connection. */
export const HANG_UP = Symbol('hang up');

/** Text is sent as Latin-1, one byte per character; a number is a pause in milliseconds; a promise is awaited. */
export type Piece = string | Uint8Array | number | Promise<unknown> | typeof HANG_UP;

export interface Answer {
  readonly status: number;
  /** By lower-case name; the last value of a repeated header. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** All received bytes. */
  readonly text: string;
  readonly milliseconds: number;
}

/** `closed`: the connection was closed before a byte came. */
export type Outcome = Answer | 'closed';

const ANSWER_WITHIN_MS = 60_000;

/**
 * Sends the pieces on a new connection and reads one response.
 * @param localAddress of the client, on this machine
 * @throws Error without a complete response in time; the end of the connection also ends a response
 */
export async function exchange(
  port: number,
  pieces: readonly Piece[],
  head = false,
  localAddress = '127.0.0.1',
): Promise<Outcome> {
  const begun = performance.now();
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  let received = Buffer.alloc(0);
  let resolve: (outcome: Outcome | Error) => void = () => {};
  const answered = new Promise<Outcome | Error>((settle) => {
    resolve = settle;
  });
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    const answer = parse(received, head, false, performance.now() - begun);
    if (answer !== undefined) resolve(answer);
  });
  const ended = (): void => {
    resolve(
      received.length === 0 ? 'closed' : (parse(received, head, true, performance.now() - begun) ?? incomplete()),
    );
  };
  const incomplete = (): Error => new Error(`the connection ended in the middle of an answer: ${received}`);
  socket.on('close', ended);
  // A server that refuses early may close while we still send. Its response counts, and `close` follows.
  socket.on('error', () => {});
  void send(socket, pieces);
  const outcome = await within(ANSWER_WITHIN_MS, answered);
  socket.destroy();
  if (outcome === undefined) throw new Error(`no answer within ${ANSWER_WITHIN_MS} ms, but: ${received}`);
  if (outcome instanceof Error) throw outcome;
  return outcome;
}

async function send(socket: ReturnType<typeof connect>, pieces: readonly Piece[]): Promise<void> {
  for (const piece of pieces) {
    if (typeof piece === 'number') await Bun.sleep(piece);
    else if (piece instanceof Promise) await piece;
    else if (piece === HANG_UP) socket.destroy();
    else if (!socket.destroyed) socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece);
  }
}

/** undefined while the response is incomplete. */
function parse(received: Buffer, head: boolean, ended: boolean, milliseconds: number): Answer | undefined {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [statusLine = '', ...lines] = received.toString('latin1', 0, end).split('\r\n');
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]);
  const rest = received.subarray(end + 4);
  const length =
    head || status === 204 || status === 304 ? 0 : Number(headers.get('content-length') ?? Number.POSITIVE_INFINITY);
  if (rest.length < length && !(ended && length === Number.POSITIVE_INFINITY)) return undefined;
  const body = rest.subarray(0, length).toString();
  return { status, headers, body, text: received.toString(), milliseconds };
}

export interface RequestParts {
  readonly host?: string;
  /** Header lines after Host; null sends no Host either. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
  /** Content-Length is computed from the body unless it is among the headers or this is false. */
  readonly length?: false;
}

/** A well-formed request, except for the parts that the caller supplies. */
export function request(
  method: string,
  target: string,
  { host = 'registry.example', headers = {}, body, length }: RequestParts = {},
): Piece[] {
  const lines = [`${method} ${target} HTTP/1.1`, `Host: ${host}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (body !== undefined && length !== false && headers['Content-Length'] === undefined)
    lines.push(`Content-Length: ${body.length}`);
  return [`${lines.join('\r\n')}\r\n\r\n`, ...(body === undefined ? [] : [body])];
}
