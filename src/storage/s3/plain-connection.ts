import type { ByteRange } from '../driver.ts';
import { isRange } from './content-range.ts';
import type { OpenBody } from './object-stream.ts';
import { PlainBody } from './plain-body.ts';

export interface PlainAddress {
  readonly hostname: string;
  readonly port: number;
}

export interface PlainRequest {
  /** Request line and headers, with the empty line behind them. */
  readonly head: string;
  /** Of the one answer that is wanted: 206 with those bytes, no others. */
  readonly range: ByteRange;
}

type Socket = Bun.Socket<PlainConnection>;

interface Asked {
  readonly range: ByteRange;
  readonly answer: (body: OpenBody | undefined) => void;
  readonly fail: (error: Error) => void;
}

const HEAD_MOST_BYTES = 64 * 1024;
/** A store closes what is idle for some more seconds. */
const IDLE_SECONDS = 10;

class Broken extends Error {
  override readonly name = 'ConnectionBroken';
}

/**
 * A connection to a store that speaks HTTP/1.1 without TLS, for GETs of ranges, one after another. It knows one kind of answer and
 * gives up on every other, for another client to ask again.
 */
export class PlainConnection {
  readonly #idle: (connection: PlainConnection) => void;
  readonly #closed: (connection: PlainConnection) => void;
  #socket: Socket | undefined;
  #asked: Asked | undefined;
  /** What has come of the head of an answer. */
  #head = '';
  #body: PlainBody | undefined;
  #stays = true;

  private constructor(ends: Pick<PlainEnds, 'idle' | 'closed'>) {
    this.#idle = ends.idle;
    this.#closed = ends.closed;
  }

  /** @throws Error of the system */
  static async open({ hostname, port }: PlainAddress, ends: PlainEnds): Promise<PlainConnection> {
    const connection = new PlainConnection(ends);
    connection.#socket = await Bun.connect<PlainConnection>({ hostname, port, data: connection, socket: HANDLERS });
    return connection;
  }

  /**
   * Asks for a body; the connection must be idle.
   * @returns undefined where the answer is another one
   * @throws Error when the connection breaks before there is an answer; what aborted the signal
   */
  async ask({ head, range }: PlainRequest, signal: AbortSignal): Promise<OpenBody | undefined> {
    const { promise, resolve: answer, reject: fail } = Promise.withResolvers<OpenBody | undefined>();
    const asked = { range, answer, fail };
    const abort = (): void => {
      if (this.#asked === asked) this.#end(signal.reason);
    };
    signal.throwIfAborted();
    signal.addEventListener('abort', abort);
    try {
      this.#asked = asked;
      this.#socket?.timeout(0);
      this.#socket?.resume();
      // A request is shorter than what the kernel takes at once.
      if (this.#socket?.write(head) !== head.length) this.destroy();
      return await promise;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  destroy(): void {
    this.#end(new Broken('the connection to the object store was given up'));
  }

  receive(bytes: Uint8Array): void {
    if (this.#body !== undefined) this.#bodyBytes(this.#body, bytes);
    else if (this.#asked !== undefined) this.#headBytes(this.#asked, bytes);
    // Nobody asked for anything.
    else this.destroy();
  }

  #headBytes(asked: Asked, bytes: Uint8Array): void {
    this.#head += Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    const end = this.#head.indexOf('\r\n\r\n');
    if (end === -1) {
      if (this.#head.length > HEAD_MOST_BYTES) this.#answer(asked, undefined);
      return;
    }
    const more = this.#head.length - end - 4;
    const head = readHead(this.#head.slice(0, end));
    this.#head = '';
    if (head === undefined || !isRange(head.contentRange, asked.range) || head.length !== lengthOf(asked.range)) {
      this.#answer(asked, undefined);
      return;
    }
    this.#stays = head.stays;
    const body = new PlainBody(head.length, {
      wanted: () => void this.#socket?.resume(),
      destroy: () => this.destroy(),
    });
    this.#body = body;
    this.#answer(asked, body);
    if (more > 0) this.#bodyBytes(body, bytes.subarray(bytes.length - more));
  }

  timedOut(): void {
    if (this.#asked === undefined && this.#body === undefined) this.destroy();
  }

  /** The other side closed it, or this one did. */
  ended(error: Error | undefined): void {
    this.#end(error ?? new Broken('the object store closed the connection'));
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
        if (this.#stays) {
          this.#socket?.timeout(IDLE_SECONDS);
          this.#idle(this);
        } else this.destroy();
        return;
      case 'too-many':
        this.destroy();
        return;
    }
  }

  /** From here on another request may be waiting, as soon as the body is whole. */
  #answer({ answer }: Asked, body: PlainBody | undefined): void {
    this.#asked = undefined;
    answer(body);
    if (body === undefined) this.destroy();
  }

  #end(error: Error): void {
    const [socket, asked, body] = [this.#socket, this.#asked, this.#body];
    this.#socket = undefined;
    this.#asked = undefined;
    this.#body = undefined;
    socket?.terminate();
    asked?.fail(error);
    body?.end();
    this.#closed(this);
  }
}

export interface PlainEnds {
  /** The last answer has come whole. */
  readonly idle: (connection: PlainConnection) => void;
  /** It is of no use any more; perhaps told more than once. */
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
  readonly stays: boolean;
}

/** What must not be said twice. */
const ONCE = new Set(['content-length', 'content-range']);

/** @returns undefined for every head but that of a 206 whose body has a length and is sent as it is */
function readHead(text: string): Head | undefined {
  const [status = '', ...lines] = text.split('\r\n');
  if (!/^HTTP\/1\.1 206(?: |$)/.test(status)) return undefined;
  const fields = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    // What says a thing twice, or goes on in another line, is left to a client that knows more.
    if (colon < 1 || /\s/.test(name) || (fields.has(name) && ONCE.has(name))) return undefined;
    fields.set(name, line.slice(colon + 1).trim());
  }
  const length = fields.get('content-length') ?? '';
  if (!/^\d{1,15}$/.test(length)) return undefined;
  if (fields.has('transfer-encoding') || fields.has('content-encoding')) return undefined;
  return {
    length: Number(length),
    contentRange: fields.get('content-range') ?? '',
    stays: !/\bclose\b/i.test(fields.get('connection') ?? ''),
  };
}

function lengthOf({ start, end }: ByteRange): number {
  return end - start;
}
