import type { TLSSocket } from 'node:tls';
import { InnerConnection } from './inner-connection.ts';

/** How long a client may take to send its first byte. The timeouts of the HTTP server apply only later. */
const SILENT_MS = 60_000;
/** How long a client may take to read the last bytes. */
const STALLED_MS = 60_000;
/** How long a client may take to close its side after the last byte. An earlier reset could overtake the last bytes. */
const LINGER_MS = 1_000;

export interface TunnelPorts {
  /** The port of the HTTP server on 127.0.0.1. */
  readonly innerPort: number;
  /** The HTTP server is about to get the client's first bytes. */
  readonly opened: (inner: InnerConnection) => void;
  /** The connection to the HTTP server ends, or has ended. Called after `opened`, perhaps several times. */
  readonly closing: (inner: InnerConnection) => void;
  /** Both connections are closed. Always the last event, once. */
  readonly ended: () => void;
}

/**
 * A client's connection and the connection to the HTTP server that belongs to it. The latter is opened when the client has sent
 * something. When one of them ends, the other one does.
 */
export class Tunnel {
  readonly #client: TLSSocket;
  readonly #ports: TunnelPorts;
  #timer: ReturnType<typeof setTimeout>;
  /** undefined until the client has sent something. */
  #inner: InnerConnection | undefined;
  /** Whether all bytes of the HTTP server have arrived. */
  #isAnswered = false;
  #isClientClosed = false;
  #isInnerClosed = true;

  constructor(client: TLSSocket, ports: TunnelPorts) {
    this.#client = client;
    this.#ports = ports;
    this.#timer = setTimeout(() => this.endIfSilent(), SILENT_MS);
    // `close` follows each error.
    client.on('error', () => {});
    // It is never a string, because no encoding is set.
    client.on('data', (bytes) => this.#forward(typeof bytes === 'string' ? Buffer.from(bytes) : bytes));
    client.on('drain', () => this.#inner?.resume());
    client.once('end', () => this.#endInner());
    client.once('close', () => this.#clientClosed());
  }

  /** Ends the connection if its client has sent nothing. */
  endIfSilent(): void {
    if (this.#inner === undefined) this.#endClient();
  }

  /** Ends both connections at once. */
  destroy(): void {
    this.#client.destroy();
  }

  #forward(bytes: Buffer): void {
    if (this.#isAnswered) return;
    this.#inner ??= this.#connect();
    if (!this.#inner.write(bytes)) this.#client.pause();
  }

  #connect(): InnerConnection {
    clearTimeout(this.#timer);
    this.#isInnerClosed = false;
    const inner: InnerConnection = new InnerConnection(this.#ports.innerPort, {
      opened: () => {
        this.#ports.opened(inner);
        // The client may have disconnected in the meantime.
        if (this.#isClientClosed) this.#endInner();
      },
      received: (bytes) => this.#isClientClosed || this.#client.write(bytes),
      drained: () => this.#client.resume(),
      answered: () => {
        this.#isAnswered = true;
        this.#endInner();
        this.#endClient();
      },
      closed: () => this.#innerClosed(inner),
    });
    return inner;
  }

  #endInner(): void {
    if (this.#inner === undefined) return;
    // First: once the connection has ended, another process can get its port.
    this.#ports.closing(this.#inner);
    this.#inner.end();
  }

  #endClient(): void {
    const client = this.#client;
    this.#disconnectAfter(STALLED_MS);
    client.once('finish', () => this.#disconnectAfter(LINGER_MS));
    client.end();
    // Everything that the client sends from now on is discarded.
    this.#isAnswered = true;
    client.resume();
  }

  #disconnectAfter(milliseconds: number): void {
    clearTimeout(this.#timer);
    if (this.#isClientClosed) return;
    this.#timer = setTimeout(() => this.#client.destroy(), milliseconds);
  }

  #clientClosed(): void {
    this.#isClientClosed = true;
    clearTimeout(this.#timer);
    this.#endInner();
    if (this.#isInnerClosed) this.#ports.ended();
  }

  #innerClosed(inner: InnerConnection): void {
    this.#isInnerClosed = true;
    this.#ports.closing(inner);
    // The response may be truncated, which the client must notice.
    if (!this.#isAnswered) this.#client.destroy();
    if (this.#isClientClosed) this.#ports.ended();
  }
}
