import type { SendReply } from '../sending/protocol.ts';
import { refuseWithoutDescriptors } from '../system/descriptors.ts';
import type { ConnectionTable } from './connection-table.ts';
import type { TlsMaterial, TlsReply, TlsRequest } from './protocol.ts';

/** The system refused to listen on the address. */
export class CannotListen extends Error {
  override readonly name = 'CannotListen';
  /** Such as `EADDRINUSE`. */
  readonly code: string;

  constructor(code: string) {
    super(`cannot listen (${code})`);
    this.code = code;
  }
}

export interface TlsThreadPorts {
  readonly connections: ConnectionTable;
  readonly handshakeFailed: (code: string, address: string | undefined) => void;
  /** Called at most once, when the thread ends unexpectedly. */
  readonly lost: (error: Error) => void;
}

/** A file that the thread sends. `announced` is called once the thread waits for the end of the HTTP server's bytes. */
interface Sending {
  readonly announced: () => void;
  readonly sent: (reply: SendReply) => void;
}

export type FileRequest = Extract<TlsRequest, { kind: 'file' }>;

/** The serving thread's handle for a TLS thread. */
export class TlsThread {
  readonly id = Symbol('TLS thread');
  readonly #worker: Worker;
  readonly #ports: TlsThreadPorts;
  readonly #sending = new Map<number, Sending>();
  readonly #listening = Promise.withResolvers<number>();
  readonly #drained = Promise.withResolvers<void>();
  #isEnded = false;

  /** @throws EMFILE */
  constructor(ports: TlsThreadPorts) {
    refuseWithoutDescriptors();
    this.#ports = ports;
    this.#worker = new Worker(new URL('./tls-worker.ts', import.meta.url).href);
    this.#worker.onmessage = (event: MessageEvent<TlsReply>) => this.#receive(event.data);
    this.#worker.onerror = (event) => this.#lose(event.message);
    this.#worker.addEventListener('close', (event) => this.#lose(`it exited with code ${event.code}`));
    // A failure is reported to the caller of `listen`.
    this.#listening.promise.catch(() => {});
  }

  /** @returns the port. @throws CannotListen */
  listen(request: Extract<TlsRequest, { kind: 'listen' }>): Promise<number> {
    this.#post(request);
    return this.#listening.promise;
  }

  use(material: TlsMaterial): void {
    this.#post({ kind: 'material', material });
  }

  sendFile(request: FileRequest, sending: Sending): void {
    this.#sending.set(request.id, sending);
    this.#post(request);
  }

  /** Cancels an announced file. */
  cancelFile(inner: number): void {
    this.#post({ kind: 'no-file', inner });
  }

  /** Stops accepting connections. Resolves when the last one has ended. */
  stop(): Promise<void> {
    if (!this.#isEnded) this.#post({ kind: 'stop' });
    return this.#drained.promise;
  }

  /** Ends the thread and its connections. */
  close(): void {
    this.#end('the TLS thread was stopped');
  }

  #post(request: TlsRequest): void {
    this.#worker.postMessage(request);
  }

  #receive(reply: TlsReply): void {
    switch (reply.kind) {
      case 'listening':
        this.#listening.resolve(reply.port);
        break;
      case 'not-listening':
        this.#listening.reject(new CannotListen(reply.code));
        break;
      case 'opened':
        this.#ports.connections.add(reply.inner, this.id, reply.address, reply.certificate);
        this.#post({ kind: 'registered', inner: reply.inner });
        break;
      case 'closing':
        this.#ports.connections.remove(reply.inner);
        this.#post({ kind: 'unregistered', inner: reply.inner });
        break;
      case 'handshake-failed':
        this.#ports.handshakeFailed(reply.code, reply.address);
        break;
      case 'file-expected':
        this.#sending.get(reply.id)?.announced();
        break;
      case 'file-sent':
        this.#sending.get(reply.id)?.sent(reply);
        this.#sending.delete(reply.id);
        break;
      case 'drained':
        this.#drained.resolve();
        break;
    }
  }

  #lose(reason: string): void {
    if (this.#isEnded) return;
    const message = `a TLS thread ended: ${reason}`;
    this.#end(message);
    this.#ports.lost(new Error(message));
  }

  #end(message: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#ports.connections.removeAll(this.id);
    this.#listening.reject(new Error(message));
    this.#drained.resolve();
    for (const [id, { sent }] of this.#sending) sent({ id, sent: 0, outcome: { kind: 'failed', message } });
    this.#sending.clear();
    this.#worker.terminate();
  }
}
