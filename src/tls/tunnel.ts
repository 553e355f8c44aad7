import { connect, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { SendReply } from '../sending/protocol.ts';
import { type ExpectedFile, sendFile } from './send-file.ts';

/**
 * How long a client may take to send its first byte. Until then the HTTP server does not see the connection, so its timeouts do
 * not apply.
 */
const SILENT_MS = 60_000;
/** How long a client may take to read the last bytes. */
const STALLED_MS = 60_000;
/** How long a client may take to close its side after the last byte. An earlier reset could overtake the last bytes. */
const LINGER_MS = 1_000;

export interface TunnelEvents {
  /** The HTTP server is connected. Nothing is sent to it before `start`. */
  readonly opened: (inner: number) => void;
  /** One side has ended. `close` must be called once the HTTP server has forgotten the connection. */
  readonly closing: (inner: number) => void;
  /** Both connections are closed. Always the last event, once. */
  readonly ended: () => void;
  readonly fileSent: (reply: SendReply) => void;
}

/**
 * One client's connection and the connection to the HTTP server that belongs to it.
 *
 * The HTTP server identifies clients by the port of the inner connection, so it must forget the port before another process can get
 * it. That is why closing takes two steps, `closing` and `close`.
 */
export class Tunnel {
  readonly #client: TLSSocket;
  readonly #inner: Socket;
  readonly #events: TunnelEvents;
  /** Local port of the inner connection; undefined until it is open. */
  #port: number | undefined;
  #isClosing = false;
  /** Whether all bytes of the HTTP server have arrived. */
  #isAnswered = false;
  #file: ExpectedFile | undefined;
  #openEnds = 2;
  readonly #silence: ReturnType<typeof setTimeout>;

  constructor(client: TLSSocket, innerPort: number, events: TunnelEvents) {
    this.#client = client;
    this.#events = events;
    this.#inner = connect({ host: '127.0.0.1', port: innerPort, noDelay: true });
    // `close` follows each error.
    client.on('error', () => {});
    this.#inner.on('error', () => {});
    client.once('close', () => this.#clientClosed());
    this.#inner.once('close', () => this.#innerClosed());
    this.#inner.once('connect', () => this.#connected());
    this.#silence = setTimeout(() => this.endIfSilent(), SILENT_MS);
  }

  /** Begins to forward bytes. */
  start(): void {
    if (this.#isClosing) return;
    this.#inner.once('end', () => this.#answered());
    this.#client.pipe(this.#inner);
    this.#inner.pipe(this.#client, { end: false });
  }

  /** Ends the connection if its client has sent nothing. */
  endIfSilent(): void {
    if (this.#inner.bytesWritten > 0) return;
    this.#endClient();
    this.#beginToClose();
  }

  /**
   * Sends a file after the HTTP server's last byte.
   * @returns false if the connection has ended
   */
  expectFile(file: ExpectedFile): boolean {
    if (this.#isClosing || this.#isAnswered || this.#client.destroyed) return false;
    this.#file = file;
    return true;
  }

  expectNoFile(): void {
    this.#file = undefined;
  }

  /** Releases the port of the inner connection. */
  close(): void {
    this.#inner.destroy();
  }

  #connected(): void {
    this.#port = this.#inner.localPort;
    if (this.#port === undefined) {
      this.#inner.destroy();
      return;
    }
    this.#events.opened(this.#port);
    // The client may have disconnected in the meantime.
    if (this.#client.destroyed) this.#beginToClose();
  }

  #answered(): void {
    this.#isAnswered = true;
    const file = this.#file;
    if (file === undefined) this.#endClient();
    else void this.#send(file);
  }

  async #send(file: ExpectedFile): Promise<void> {
    const reply = await sendFile(this.#client, file);
    this.#events.fileSent(reply);
    this.#endClient();
  }

  #endClient(): void {
    const client = this.#client;
    client.setTimeout(STALLED_MS, () => client.destroy());
    client.once('finish', () => setTimeout(() => client.destroy(), LINGER_MS));
    client.end();
    // Discards everything that the client sends from now on.
    client.resume();
  }

  #clientClosed(): void {
    if (this.#port === undefined) this.#inner.destroy();
    else this.#beginToClose();
    this.#endOfOne();
  }

  #innerClosed(): void {
    this.#beginToClose();
    // The response may be truncated, which the client must notice.
    if (!this.#isAnswered) this.#client.destroy();
    this.#endOfOne();
  }

  #beginToClose(): void {
    if (this.#isClosing || this.#port === undefined) return;
    this.#isClosing = true;
    this.#events.closing(this.#port);
  }

  #endOfOne(): void {
    this.#openEnds--;
    if (this.#openEnds > 0) return;
    clearTimeout(this.#silence);
    const file = this.#file;
    // The file was announced but not begun.
    if (file !== undefined && !this.#isAnswered) {
      this.#events.fileSent({ id: file.id, sent: 0, outcome: { kind: 'client-gone' } });
    }
    this.#events.ended();
  }
}
