import type { ByteRange } from '../driver.ts';
import { isRange } from './content-range.ts';
import type { OpenBody } from './object-stream.ts';
import { PlainBody } from './plain-body.ts';

export interface PlainAddress {
  readonly hostname: string;
  readonly port: number;
}

export interface PlainRequest {
  /** Request line and headers, with the empty line after them. */
  readonly head: string;
  /** The one accepted response is 206 with exactly these bytes. */
  readonly range: ByteRange;
}

type Socket = Bun.Socket<PlainConnection>;

interface PendingRequest {
  readonly range: ByteRange;
  readonly answer: (body: OpenBody | undefined) => void;
  readonly fail: (error: Error) => void;
}

const MAX_HEAD_BYTES = 64 * 1024;
/** Shorter than the idle timeout of any store, which would otherwise close the connection under a request. */
const IDLE_SECONDS = 10;

class ConnectionBroken extends Error {
  override readonly name = 'ConnectionBroken';
}

/**
 * A connection to a store over HTTP/1.1 without TLS, for GETs of ranges, one at a time. It understands one kind of response. On any
 * other response it closes, and the caller sends the request with another client.
 */
export class PlainConnection {
  readonly #idle: (connection: PlainConnection) => void;
  readonly #closed: (connection: PlainConnection) => void;
  #socket: Socket | undefined;
  #pending: PendingRequest | undefined;
  /** The part of the response head that has arrived. */
  #head = '';
  #body: PlainBody | undefined;
  #keepsAlive = true;

  private constructor(ends: Pick<PlainEnds, 'idle' | 'closed'>) {
    this.#idle = ends.idle;
    this.#closed = ends.closed;
  }

  /** @throws the system's error */
  static async open({ hostname, port }: PlainAddress, ends: PlainEnds): Promise<PlainConnection> {
    const connection = new PlainConnection(ends);
    connection.#socket = await Bun.connect<PlainConnection>({ hostname, port, data: connection, socket: HANDLERS });
    return connection;
  }

  /**
   * Requests a body; the connection must be idle.
   * @returns undefined if the response is of another kind
   * @throws ConnectionBroken, or the system's error, before the response head was complete; the signal's reason
   */
  async request({ head, range }: PlainRequest, signal: AbortSignal): Promise<OpenBody | undefined> {
    const { promise, resolve: answer, reject: fail } = Promise.withResolvers<OpenBody | undefined>();
    const pending = { range, answer, fail };
    const abort = (): void => {
      if (this.#pending === pending) this.#end(signal.reason);
    };
    signal.throwIfAborted();
    signal.addEventListener('abort', abort);
    try {
      this.#pending = pending;
      this.#socket?.timeout(0);
      this.#socket?.resume();
      // The kernel's buffer of an idle connection is larger than any request.
      if (this.#socket?.write(head) !== head.length) this.destroy();
      return await promise;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  destroy(): void {
    this.#end(new ConnectionBroken('the connection to the object store was dropped'));
  }

  receive(bytes: Uint8Array): void {
    if (this.#body !== undefined) this.#bodyBytes(this.#body, bytes);
    else if (this.#pending !== undefined) this.#headBytes(this.#pending, bytes);
    // Nothing was requested.
    else this.destroy();
  }

  #headBytes(pending: PendingRequest, bytes: Uint8Array): void {
    this.#head += Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    const end = this.#head.indexOf('\r\n\r\n');
    if (end === -1) {
      if (this.#head.length > MAX_HEAD_BYTES) this.#answer(pending, undefined);
      return;
    }
    const more = this.#head.length - end - 4;
    const head = readHead(this.#head.slice(0, end));
    this.#head = '';
    if (head === undefined || !isRange(head.contentRange, pending.range) || head.length !== lengthOf(pending.range)) {
      this.#answer(pending, undefined);
      return;
    }
    this.#keepsAlive = head.keepsAlive;
    const body = new PlainBody(head.length, {
      wanted: () => void this.#socket?.resume(),
      destroy: () => this.destroy(),
    });
    this.#body = body;
    this.#answer(pending, body);
    if (more > 0) this.#bodyBytes(body, bytes.subarray(bytes.length - more));
  }

  timedOut(): void {
    if (this.#pending === undefined && this.#body === undefined) this.destroy();
  }

  /** Either side closed the connection. */
  ended(error: Error | undefined): void {
    this.#end(error ?? new ConnectionBroken('the object store closed the connection'));
  }

  #bodyBytes(body: PlainBody, bytes: Uint8Array): void {
    switch (body.receive(bytes)) {
      case 'more':
        return;
      case 'enough':
        this.#socket?.pause();
        return;
      case 'whole':
        this.#body = undefined;
        if (this.#keepsAlive) {
          this.#socket?.timeout(IDLE_SECONDS);
          this.#idle(this);
        } else this.destroy();
        return;
      case 'too-many':
        this.destroy();
        return;
    }
  }

  /** Settles the pending request. The next one may begin as soon as the body is complete. */
  #answer({ answer }: PendingRequest, body: PlainBody | undefined): void {
    this.#pending = undefined;
    answer(body);
    if (body === undefined) this.destroy();
  }

  #end(error: Error): void {
    const [socket, pending, body] = [this.#socket, this.#pending, this.#body];
    this.#socket = undefined;
    this.#pending = undefined;
    this.#body = undefined;
    socket?.terminate();
    pending?.fail(error);
    body?.end();
    this.#closed(this);
  }
}

export interface PlainEnds {
  /** The last response is complete: the connection can be reused. */
  readonly idle: (connection: PlainConnection) => void;
  /** The connection is closed. Perhaps called more than once. */
  readonly closed: (connection: PlainConnection) => void;
}

const HANDLERS: Bun.SocketHandler<PlainConnection> = {
  binaryType: 'uint8array',
  data: (socket, bytes: Uint8Array) => socket.data.receive(bytes),
  close: (socket, error) => socket.data.ended(error),
  error: (socket, error) => socket.data.ended(error),
  timeout: (socket) => socket.data.timedOut(),
};

interface Head {
  readonly length: number;
  readonly contentRange: string;
  readonly keepsAlive: boolean;
}

/** Headers that must not occur twice. */
const SINGLE_HEADERS = new Set(['content-length', 'content-range']);

/** @returns undefined for every head except that of a 206 with a length and without an encoding */
function readHead(text: string): Head | undefined {
  const [status = '', ...lines] = text.split('\r\n');
  if (!/^HTTP\/1\.1 206(?: |$)/.test(status)) return undefined;
  const fields = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    // Repeated headers and continuation lines are left to a full HTTP client.
    if (colon < 1 || /\s/.test(name) || (fields.has(name) && SINGLE_HEADERS.has(name))) return undefined;
    fields.set(name, line.slice(colon + 1).trim());
  }
  const length = fields.get('content-length') ?? '';
  if (!/^\d{1,15}$/.test(length)) return undefined;
  if (fields.has('transfer-encoding') || fields.has('content-encoding')) return undefined;
  return {
    length: Number(length),
    contentRange: fields.get('content-range') ?? '',
    keepsAlive: !/\bclose\b/i.test(fields.get('connection') ?? ''),
  };
}

function lengthOf({ start, end }: ByteRange): number {
  return end - start;
}
