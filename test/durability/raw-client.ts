// HTTP by hand over one connection: a client that sends its body slowly, stops reading, or stalls.
import { connect, type Socket } from 'node:net';

const ANSWER_WITHIN_MS = 60_000;
const POLL_MS = 10;

export interface RawAnswer {
  readonly status: number;
  readonly body: Buffer;
}

export class RawClient {
  readonly #socket: Socket;
  #received: Buffer[] = [];
  #waiting = 0;
  #closed = false;
  #failure: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: string | Buffer) => {
      this.#received.push(typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
      this.#waiting += bytes.length;
    });
    socket.on('error', (error) => {
      this.#failure = error;
    });
    socket.on('close', () => {
      this.#closed = true;
    });
  }

  /** @throws Error if the connection is refused */
  static async open(port: number): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1');
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawClient(socket);
  }

  /** Sends the request line and headers; `send` sends the body. */
  request(method: string, target: string, headers: Readonly<Record<string, string | number>> = {}): void {
    const lines = Object.entries({ Host: 'raw', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#socket.write(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`);
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Stops reading, so that the server's response fills the socket buffers and waits. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Received bytes that belong to no response yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The next complete response; undefined if the connection ends before that. */
  async answer(): Promise<RawAnswer | undefined> {
    const deadline = Date.now() + ANSWER_WITHIN_MS;
    // The number of bytes at which parsing is tried again, because a response may be big.
    let wanted = 1;
    while (Date.now() < deadline) {
      // Checked first: bytes before the end of the connection count.
      const closed = this.#closed;
      if (this.#waiting >= wanted) {
        const bytes = Buffer.concat(this.#received);
        this.#received = [bytes];
        const end = bytes.indexOf('\r\n\r\n');
        const head = end < 0 ? '' : bytes.toString('latin1', 0, end);
        wanted = end < 0 ? bytes.length + 1 : end + 4 + Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
        if (end >= 0 && bytes.length >= wanted) {
          this.#received = [bytes.subarray(wanted)];
          this.#waiting = bytes.length - wanted;
          return { status: Number(head.slice(9, 12)), body: bytes.subarray(end + 4, wanted) };
        }
      }
      if (closed) return undefined;
      await Bun.sleep(POLL_MS);
    }
    throw new Error(`no answer within ${ANSWER_WITHIN_MS} ms (${String(this.#failure ?? 'the connection is open')})`);
  }

  close(): void {
    this.#socket.destroy();
  }
}
