// One TLS connection on which a test sends several requests, and reads one response after the other.
import { connect, type TLSSocket } from 'node:tls';
import type { Certificate } from './authority.ts';
import { bytesOf } from './tap.ts';

const HEAD_END = '\r\n\r\n';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

export class Connection {
  /** Resolves when both sides are closed. */
  readonly closed: Promise<void>;
  readonly #socket: TLSSocket;
  readonly #bytes: AsyncIterator<Buffer>;
  #read: Buffer = Buffer.alloc(0);

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    const closed = Promise.withResolvers<void>();
    this.closed = closed.promise;
    socket.on('close', () => closed.resolve());
    this.#bytes = chunksOf(socket);
  }

  /** @param certificate of the client */
  static async open(port: number, ca: string, certificate?: Certificate): Promise<Connection> {
    const opened = Promise.withResolvers<void>();
    const socket = connect({ host: '127.0.0.1', port, ca, ...certificate }, opened.resolve);
    socket.on('error', opened.reject);
    await opened.promise;
    return new Connection(socket);
  }

  /** Sends GET requests in one piece. */
  request(paths: readonly string[], ...headers: readonly string[]): void {
    const lines = ['Host: localhost', ...headers].map((line) => `${line}\r\n`).join('');
    this.#socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\n${lines}\r\n`).join(''));
  }

  /** The next response. @throws Error if the connection ends before */
  async response(): Promise<Answer> {
    while (!this.#read.includes(HEAD_END)) await this.#more(1);
    const end = this.#read.indexOf(HEAD_END);
    const [statusLine = '', ...lines] = this.#read.subarray(0, end).toString('latin1').split('\r\n');
    const headers = new Headers(
      lines.map((line): [string, string] => {
        const [name = '', value = ''] = line.split(': ');
        return [name, value];
      }),
    );
    this.#read = this.#read.subarray(end + HEAD_END.length);
    const length = Number(headers.get('content-length'));
    await this.#more(length - this.#read.length);
    const body = this.#read.subarray(0, length);
    this.#read = this.#read.subarray(length);
    return { status: Number(statusLine.split(' ')[1]), headers, body };
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Reads at least so many bytes more. */
  async #more(count: number): Promise<void> {
    const chunks = [this.#read];
    for (let missing = count; missing > 0; ) {
      const next = await this.#bytes.next();
      if (next.done === true) throw new Error('the connection has ended before the response');
      chunks.push(next.value);
      missing -= next.value.length;
    }
    this.#read = Buffer.concat(chunks);
  }
}

/** The common name of the certificate that a new connection gets. */
export async function nameShownBy(port: number, ca: string): Promise<unknown> {
  const shown = Promise.withResolvers<unknown>();
  const socket = connect({ host: '127.0.0.1', port, ca }, () => {
    shown.resolve(socket.getPeerCertificate().subject.CN);
    socket.destroy();
  });
  socket.on('error', shown.reject);
  return await shown.promise;
}

async function* chunksOf(socket: TLSSocket): AsyncGenerator<Buffer, undefined> {
  for await (const chunk of socket) yield bytesOf(chunk);
  return undefined;
}
