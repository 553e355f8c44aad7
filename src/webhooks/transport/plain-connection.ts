import type { Attempt } from './attempt.ts';
import { readResponse } from './response.ts';

/** How much of a response is read; the connection is closed if there is more. */
const MAX_RESPONSE_BYTES = 64 * 1024;
/** How long the rest of a response may take once its status is known; then the connection is closed. */
const REST_WITHIN_MS = 1_000;
/** How long a connection waits for the next request. Receivers may close it earlier. */
const IDLE_SECONDS = 30;
const HTTP_PORT = 80;

/** The receiver closed a connection that had been used before, without a byte of a response. Perhaps it did so before the request came. */
export class ConnectionStale extends Error {
  override readonly name = 'ConnectionStale';
}

class ConnectionBroken extends Error {
  override readonly name = 'ConnectionBroken';
}

export interface ConnectionEnds {
  /** The last response is complete: the connection can be used again. */
  readonly idle: (connection: PlainConnection) => void;
  /** The connection is closed. Perhaps called more than once. */
  readonly closed: (connection: PlainConnection) => void;
}

interface Pending {
  readonly answer: (status: number) => void;
  readonly fail: (error: unknown) => void;
}

/**
 * A connection to a receiver over HTTP/1.1 without TLS: one request at a time, and of its response only the status counts. For a small
 * request, Bun's `fetch` costs several times as much, because another thread does its work.
 */
export class PlainConnection {
  /** Host and port as a URL has them. */
  readonly address: string;
  readonly #ends: ConnectionEnds;
  #socket: Bun.Socket<PlainConnection> | undefined;
  /** Until the status of the response is known. */
  #pending: Pending | undefined;
  /** What the kernel has not taken of the request. */
  #unsent: Uint8Array | undefined;
  /** What has arrived of the response, one character for each byte. */
  #arrived = '';
  /** Closes the connection if the rest of a response does not come. */
  #rest: ReturnType<typeof setTimeout> | undefined;
  #wasUsed = false;

  private constructor(address: string, ends: ConnectionEnds) {
    this.address = address;
    this.#ends = ends;
  }

  /**
   * @param target a URL with an address as its host
   * @throws the system's error; the reason of the attempt's end
   */
  static async open(target: URL, ends: ConnectionEnds, attempt: Attempt): Promise<PlainConnection> {
    const connection = new PlainConnection(target.host, ends);
    const hostname = target.hostname.replace(/^\[|\]$/g, '');
    const port = target.port === '' ? HTTP_PORT : Number(target.port);
    const connecting = Bun.connect<PlainConnection>({ hostname, port, data: connection, socket: HANDLERS });
    try {
      connection.#socket = await attempt.race(connecting);
      return connection;
    } catch (error) {
      // A connection that is made after the end of the attempt is closed; that it fails has no meaning any more.
      void connecting.then(
        (socket) => socket.terminate(),
        () => undefined,
      );
      throw error;
    }
  }

  /**
   * Sends a request; the connection must be idle.
   * @returns the status of the response
   * @throws ConnectionStale; ConnectionBroken, the system's error; the reason of the attempt's end
   */
  async request(bytes: Uint8Array, attempt: Attempt): Promise<number> {
    const { promise, resolve: answer, reject: fail } = Promise.withResolvers<number>();
    const pending: Pending = { answer, fail };
    const send = (): Promise<number> => {
      this.#pending = pending;
      this.#arrived = '';
      this.#unsent = bytes;
      this.#socket?.timeout(0);
      this.writable();
      return promise;
    };
    if (attempt.hasEnded) this.close();
    return await attempt.during(send, (reason) => {
      if (this.#pending === pending) this.#end(reason);
    });
  }

  close(): void {
    this.#end(new ConnectionBroken('the connection was closed'));
  }

  /** The kernel takes bytes. */
  writable(): void {
    if (this.#unsent === undefined) return;
    const sent = this.#socket?.write(this.#unsent) ?? -1;
    if (sent < 0) this.ended(undefined);
    else this.#unsent = sent < this.#unsent.length ? this.#unsent.subarray(sent) : undefined;
  }

  received(bytes: Uint8Array): void {
    // Nothing was requested.
    if (this.#pending === undefined && this.#rest === undefined) {
      this.close();
      return;
    }
    this.#arrived += Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    const response = readResponse(this.#arrived);
    if (response.kind === 'answered') this.#answered(response.status, response.keepsAlive, response.length);
    else if (response.kind === 'malformed') this.#end(new ConnectionBroken('the response is not HTTP/1.1'));
    else if (this.#arrived.length > MAX_RESPONSE_BYTES) this.#end(new ConnectionBroken('the response has no end'));
  }

  timedOut(): void {
    if (this.#pending === undefined && this.#rest === undefined) this.close();
  }

  /** The receiver closed the connection, or it broke. */
  ended(error: Error | undefined): void {
    if (this.#wasUsed && this.#arrived === '') this.#end(new ConnectionStale('the receiver closed the connection'));
    else this.#end(error ?? new ConnectionBroken('the receiver closed the connection'));
  }

  /** @param length of the whole response; undefined: not known yet */
  #answered(status: number, keepsAlive: boolean, length: number | undefined): void {
    const pending = this.#pending;
    this.#pending = undefined;
    const arrived = this.#arrived.length;
    // A receiver that answers before it has the whole request will not read the rest.
    if (!keepsAlive || this.#unsent !== undefined || arrived > (length ?? arrived)) this.close();
    else if (arrived === length) this.#becomeIdle();
    else if (Math.max(arrived, length ?? 0) > MAX_RESPONSE_BYTES) this.close();
    else this.#rest ??= setTimeout(() => this.close(), REST_WITHIN_MS);
    pending?.answer(status);
  }

  #becomeIdle(): void {
    clearTimeout(this.#rest);
    this.#rest = undefined;
    this.#wasUsed = true;
    this.#socket?.timeout(IDLE_SECONDS);
    this.#ends.idle(this);
  }

  #end(error: unknown): void {
    const [socket, pending] = [this.#socket, this.#pending];
    clearTimeout(this.#rest);
    this.#socket = undefined;
    this.#pending = undefined;
    this.#unsent = undefined;
    this.#rest = undefined;
    socket?.terminate();
    pending?.fail(error);
    this.#ends.closed(this);
  }
}

const HANDLERS: Bun.SocketHandler<PlainConnection> = {
  binaryType: 'uint8array',
  data: (socket, bytes: Uint8Array) => socket.data.received(bytes),
  drain: (socket) => socket.data.writable(),
  close: (socket, error) => socket.data.ended(error),
  error: (socket, error) => socket.data.ended(error),
  timeout: (socket) => socket.data.timedOut(),
};
