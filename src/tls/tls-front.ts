import { closeSync, writeSync } from 'node:fs';
import { Connections } from '../sending/connections.ts';
import type { FileAnswer, FileSender, SendReply } from '../sending/protocol.ts';
import type { ConnectionTable } from './connection-table.ts';
import type { TlsMaterial } from './protocol.ts';
import { TlsThread } from './tls-thread.ts';

/** Pause before a failed thread is replaced, so that a thread that cannot run is not restarted in a tight loop. */
const REPLACE_AFTER_MS = 1_000;

export interface TlsFrontOptions {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** Port of the HTTP server, on 127.0.0.1. */
  readonly innerPort: number;
  readonly threads: number;
  readonly material: TlsMaterial;
  /** For all threads together. */
  readonly maxConnections: number;
  readonly connections: ConnectionTable;
  readonly handshakeFailed: (code: string, address: string | undefined) => void;
  /** Called when a thread ends unexpectedly, or cannot be replaced. */
  readonly failed: (error: Error) => void;
}

/** Terminates TLS on dedicated threads, which forward the requests to the HTTP server. */
export class TlsFront implements FileSender {
  readonly #options: TlsFrontOptions;
  readonly #threads = new Map<symbol, TlsThread>();
  readonly #lent = new Connections();
  readonly #idle: number;
  #material: TlsMaterial;
  #port: number;
  #isStopping = false;
  #lastFile = 0;

  private constructor(options: TlsFrontOptions, idle: number) {
    this.#options = options;
    this.#material = options.material;
    this.#port = options.port;
    this.#idle = idle;
  }

  /**
   * Listens on the address.
   * @param idle milliseconds after which a client that reads nothing of a file is disconnected
   * @throws CannotListen
   */
  static async open(options: TlsFrontOptions, idle: number): Promise<TlsFront> {
    const front = new TlsFront(options, idle);
    try {
      for (let started = 0; started < options.threads; started++) await front.#start();
    } catch (error) {
      front.close();
      throw error;
    }
    return front;
  }

  /** The port that clients connect to. */
  get port(): number {
    return this.#port;
  }

  /** Uses this certificate for new connections. Open connections continue. */
  use(material: TlsMaterial): void {
    this.#material = material;
    for (const thread of this.#threads.values()) thread.use(material);
  }

  /** @returns undefined if the connection cannot be lent; nothing has been sent then */
  send(answer: FileAnswer): Promise<SendReply> | undefined {
    const { connections } = this.#options;
    const id = connections.threadOf(answer.peer.port);
    const thread = id === undefined ? undefined : this.#threads.get(id);
    if (thread === undefined) return undefined;
    const socket = this.#lent.borrow(answer.localPort, answer.peer);
    return socket === undefined ? undefined : this.#sendBy(thread, answer, socket);
  }

  /** Stops accepting connections. Resolves when the last one has ended. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all([...this.#threads.values()].map((thread) => thread.stop()));
  }

  /** Ends all connections. */
  close(): void {
    this.#isStopping = true;
    for (const thread of this.#threads.values()) thread.close();
    this.#threads.clear();
  }

  /**
   * The head goes over the HTTP server's connection, whose sending side then ends. That end tells the thread that all earlier bytes
   * have been forwarded, and that it can begin with the file.
   */
  async #sendBy(thread: TlsThread, { head, file, start, end, peer }: FileAnswer, socket: number): Promise<SendReply> {
    const id = ++this.#lastFile;
    const announced = Promise.withResolvers<'expected' | 'refused'>();
    const sent = Promise.withResolvers<SendReply>();
    try {
      thread.sendFile(
        { kind: 'file', id, inner: peer.port, file, start, end, idle: this.#idle },
        {
          announced: () => announced.resolve('expected'),
          sent: (reply) => {
            announced.resolve('refused');
            sent.resolve(reply);
          },
        },
      );
      if ((await announced.promise) === 'refused') return await sent.promise;
      // Everything before it has been sent, so the socket buffer has room for the head.
      if (writeSync(socket, head) !== head.length) throw new Error('the head of a response could not be sent');
      this.#lent.endSending(socket);
    } catch (error) {
      thread.cancelFile(peer.port);
      this.#lent.shutDown(socket);
      return { id, sent: 0, outcome: { kind: 'failed', message: String(error) } };
    } finally {
      closeSync(socket);
    }
    return sent.promise;
  }

  async #start(): Promise<void> {
    const { host, innerPort, threads, maxConnections, connections, handshakeFailed } = this.#options;
    const thread: TlsThread = new TlsThread({
      connections,
      handshakeFailed,
      lost: (error) => {
        this.#threads.delete(thread.id);
        this.#options.failed(error);
        if (!this.#isStopping) setTimeout(() => void this.#replace(), REPLACE_AFTER_MS).unref();
      },
    });
    this.#threads.set(thread.id, thread);
    this.#port = await thread.listen({
      kind: 'listen',
      address: { host, port: this.#port, isShared: threads > 1 },
      innerPort,
      material: this.#material,
      maxConnections: Math.max(1, Math.floor(maxConnections / threads)),
    });
  }

  async #replace(): Promise<void> {
    if (this.#isStopping) return;
    try {
      await this.#start();
    } catch (error) {
      this.#options.failed(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
