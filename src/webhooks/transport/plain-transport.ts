import type { Attempt } from './attempt.ts';
import { ConnectionStale, PlainConnection } from './plain-connection.ts';
import type { Message, Transport } from './transport.ts';

/** Over connections without TLS. */
export class PlainTransport implements Transport {
  readonly #open = new Set<PlainConnection>();
  /** Those that wait for a request. */
  readonly #idle = new Set<PlainConnection>();
  #isClosed = false;

  async post(target: URL, host: string, message: Message, attempt: Attempt): Promise<number> {
    const bytes = encode(target, host, message);
    const kept = this.#takeIdle(target.host);
    if (kept !== undefined) {
      try {
        return await kept.request(bytes, attempt);
      } catch (error) {
        // Deliveries may be repeated, so it does not matter whether this one has arrived.
        if (!(error instanceof ConnectionStale)) throw error;
      }
    }
    const connection = await this.#connect(target, attempt);
    return await connection.request(bytes, attempt);
  }

  close(): void {
    this.#isClosed = true;
    for (const connection of [...this.#open]) connection.close();
  }

  #takeIdle(address: string): PlainConnection | undefined {
    for (const connection of this.#idle) {
      if (connection.address !== address) continue;
      this.#idle.delete(connection);
      return connection;
    }
    return undefined;
  }

  async #connect(target: URL, attempt: Attempt): Promise<PlainConnection> {
    const ends = {
      idle: (connection: PlainConnection) => void this.#idle.add(connection),
      closed: (connection: PlainConnection) => {
        this.#idle.delete(connection);
        this.#open.delete(connection);
      },
    };
    const connection = await PlainConnection.open(target, ends, attempt);
    this.#open.add(connection);
    if (this.#isClosed) connection.close();
    return connection;
  }
}

/** Of the headers, those of WEBHOOKS_FILE were checked when it was read: they contain no line breaks. */
function encode({ pathname, search }: URL, host: string, { headers, body }: Message): Uint8Array {
  let head = `POST ${pathname}${search} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n`;
  for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
  return Buffer.from(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}
