import type { TLSSocket } from 'node:tls';
import { InnerConnection } from './inner-connection.ts';
import { type Found, MarkedResponse } from './marked-response.ts';
import { type FileToSend, sendFile } from './send-file.ts';

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
  /** The HTTP server cannot be connected to, so the client is disconnected. */
  readonly failed: (error: unknown) => void;
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
  /** A file that is being sent, or will be once the response that stands for it has arrived. */
  #file: { readonly marked: MarkedResponse; readonly file: FileToSend; isSending: boolean } | undefined;
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
    client.on('drain', () => {
      if (this.#file?.isSending !== true) this.#inner?.resume();
    });
    client.on('end', () => this.#endInner());
    client.on('close', () => this.#clientClosed());
  }

  /** Ends the connection if its client has sent nothing. */
  endIfSilent(): void {
    if (this.#inner === undefined) this.#endClient();
  }

  /**
   * Sends a file to the client in place of the response that has the returned mark as the value of one of its headers. The HTTP server must
   * send that response next.
   * @returns undefined if the HTTP server must send the file itself
   */
  sendInstead(file: FileToSend): string | undefined {
    if (this.#file !== undefined || this.#isAnswered || this.#isClientClosed) return undefined;
    const marked = new MarkedResponse();
    this.#file = { marked, file, isSending: false };
    return marked.mark;
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
      received: (bytes) => this.#received(bytes),
      drained: () => this.#client.resume(),
      answered: () => {
        this.#isAnswered = true;
        this.#ports.closing(inner);
        // The HTTP server sends and reads nothing more, so a reset loses nothing. It takes the kernel less time than a second FIN and its reply.
        inner.destroy();
        if (this.#file?.isSending !== true) this.#endClient();
      },
      failed: (error) => this.#ports.failed(error),
      closed: () => this.#innerClosed(inner),
    });
    return inner;
  }

  /** @returns false if no more bytes can be taken now */
  #received(bytes: Buffer): boolean {
    if (this.#isClientClosed) return true;
    if (this.#file === undefined) return this.#client.write(bytes);
    const { marked, file } = this.#file;
    let found: Found | undefined;
    try {
      found = marked.take(bytes);
    } catch (error) {
      this.#dropFile(String(error));
      this.#client.destroy();
    }
    if (found === undefined) return true;
    if (found.before.length > 0) this.#client.write(found.before);
    this.#file.isSending = true;
    void this.#sendFile(file, found.after);
    return false;
  }

  /** @param after bytes of the HTTP server that follow the file */
  async #sendFile(file: FileToSend, after: Buffer): Promise<void> {
    await sendFile(this.#client, file);
    this.#file = undefined;
    if (this.#isClientClosed) return;
    const takesMore = after.length === 0 || this.#client.write(after);
    if (this.#isAnswered || this.#isInnerClosed) this.#endClient();
    else if (takesMore) this.#inner?.resume();
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
    this.#dropFile();
    this.#endInner();
    if (this.#isInnerClosed) this.#ports.ended();
  }

  #innerClosed(inner: InnerConnection): void {
    this.#isInnerClosed = true;
    this.#ports.closing(inner);
    this.#dropFile();
    // The response may be truncated, which the client must notice.
    if (!this.#isAnswered && this.#file === undefined) this.#client.destroy();
    if (this.#isClientClosed) this.#ports.ended();
  }

  /** The response that stands for the file will not arrive. */
  #dropFile(failure?: string): void {
    if (this.#file === undefined || this.#file.isSending) return;
    this.#file.file.done(failure);
    this.#file = undefined;
  }
}
