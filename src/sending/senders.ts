import { FFIType, ptr } from 'bun:ffi';
import { closeSync, writeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { refuseWithoutDescriptors } from '../system/descriptors.ts';
import { loadLibc } from '../system/libc.ts';
import { Connections } from './connections.ts';
import type { FileAnswer, FileSender, SendReply, SendRequest } from './protocol.ts';

const O_NONBLOCK = 0x800;
const O_CLOEXEC = 0x80000;
const MAX_CLOSE_MS = 2_000;
const POLL_MS = 5;

export interface SendersPorts {
  /** Maximum number of threads. They are started on demand. */
  readonly threads: number;
  /** Milliseconds after which a client that reads nothing is dropped. */
  readonly idle: number;
  /** Called when a thread ends unexpectedly, or cannot be started. */
  readonly failed: (error: Error) => void;
  /** Starts a thread. For tests. */
  readonly openWorker?: () => Worker;
}

export function openSendWorker(): Worker {
  return new Worker(new URL('./send-worker.ts', import.meta.url).href, { smol: true });
}

/**
 * Sends files from separate threads, over connections borrowed from the server. The server must not respond on a borrowed connection,
 * because the thread shuts it down after the file.
 */
export class Senders implements FileSender {
  readonly #ports: SendersPorts;
  readonly #connections = new Connections();
  readonly #threads: SendThread[] = [];

  constructor(ports: SendersPorts) {
    this.#ports = ports;
  }

  /** @returns undefined if the connection cannot be borrowed or no thread can be started: then nothing was sent */
  send(answer: FileAnswer): Promise<SendReply> | undefined {
    let socket: number | undefined;
    try {
      const thread = this.#thread();
      socket = this.#connections.borrow(answer.localPort, answer.peer);
      return socket === undefined ? undefined : thread.send(answer, socket);
    } catch (error) {
      // Usually too many open files: the serving thread sends the file.
      if (socket !== undefined) closeSync(socket);
      this.#ports.failed(errorOf(error));
      return undefined;
    }
  }

  /** Aborts all transfers in flight. */
  abort(): void {
    for (const thread of this.#threads) thread.abort();
  }

  /** Aborts all transfers in flight and stops the threads. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.splice(0).map((thread) => thread.close()));
  }

  /** The least busy thread. Starts a new one if all are busy and the maximum is not reached. */
  #thread(): SendThread {
    const [leastBusy] = this.#threads.toSorted((a, b) => a.busy - b.busy);
    if (leastBusy === undefined) return this.#start();
    if (leastBusy.busy === 0 || this.#threads.length >= this.#ports.threads) return leastBusy;
    try {
      return this.#start();
    } catch (error) {
      this.#ports.failed(errorOf(error));
      return leastBusy;
    }
  }

  #start(): SendThread {
    const { idle, openWorker = openSendWorker } = this.#ports;
    const thread = new SendThread({
      ...{ openWorker, idle, connections: this.#connections },
      lost: (error) => {
        const at = this.#threads.indexOf(thread);
        if (at !== -1) this.#threads.splice(at, 1);
        this.#ports.failed(error);
      },
    });
    this.#threads.push(thread);
    return thread;
  }
}

function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

interface Sending {
  readonly socket: number;
  readonly resolve: (reply: SendReply) => void;
}

interface SendThreadPorts {
  readonly openWorker: () => Worker;
  /** As in `SendersPorts`. */
  readonly idle: number;
  readonly connections: Connections;
  /** Called at most once, when the thread ends unexpectedly. */
  readonly lost: (error: Error) => void;
}

/** The serving thread's end of a sending thread. */
class SendThread {
  readonly #worker: Worker;
  readonly #ports: SendThreadPorts;
  readonly #pipe: readonly [end: number, wake: number];
  readonly #sending = new Map<number, Sending>();
  /** Descriptors of aborted connections that the thread may still use. They are closed when the thread has ended. */
  readonly #aborted: number[] = [];
  #ended = false;
  #last = 0;

  /** @throws EMFILE */
  constructor(ports: SendThreadPorts) {
    refuseWithoutDescriptors();
    this.#ports = ports;
    this.#pipe = openPipe();
    this.#worker = ports.openWorker();
    this.#worker.unref();
    this.#worker.onmessage = (event: MessageEvent<SendReply>) => this.#receive(event.data);
    this.#worker.onerror = (event) => this.#lose(event.message);
    this.#worker.addEventListener('close', (event) => {
      this.#lose(`it exited with code ${event.code}`);
      for (const descriptor of [...this.#pipe, ...this.#aborted.splice(0)]) closeSync(descriptor);
    });
    this.#worker.postMessage({ kind: 'start', wake: this.#pipe[0], idle: ports.idle } satisfies SendRequest);
  }

  get busy(): number {
    return this.#sending.size;
  }

  /** @param socket is closed after the reply */
  send({ head, file, start, end }: FileAnswer, socket: number): Promise<SendReply> {
    const id = ++this.#last;
    // Before the message: if this fails, nothing was requested.
    writeSync(this.#pipe[1], '.');
    this.#worker.postMessage({ kind: 'send', id, socket, head, file, start, end } satisfies SendRequest);
    return new Promise((resolve) => {
      this.#sending.set(id, { socket, resolve });
    });
  }

  abort(): void {
    for (const { socket } of this.#sending.values()) this.#ports.connections.shutDown(socket);
  }

  async close(): Promise<void> {
    this.abort();
    // The thread finishes with its files, unless it is blocked by a disk that does not respond.
    const deadline = performance.now() + MAX_CLOSE_MS;
    while (this.busy > 0 && performance.now() < deadline) await setTimeout(POLL_MS);
    this.#end('the sending thread was stopped');
  }

  /** A thread that reported an error gets no further files, even if it continues. */
  #lose(reason: string): void {
    if (this.#ended) return;
    const message = `a sending thread ended: ${reason}`;
    this.#end(message);
    this.#ports.lost(new Error(message));
  }

  /**
   * Stops the thread. The progress of its transfers is unknown. Their connections are shut down here, but their descriptors stay open
   * until the thread has ended: if it writes once more, the number must not belong to another connection.
   */
  #end(message: string): void {
    this.#ended = true;
    this.abort();
    for (const id of [...this.#sending.keys()]) {
      this.#receive({ id, sent: 0, outcome: { kind: 'failed', message } }, (socket) => this.#aborted.push(socket));
    }
    this.#worker.terminate();
  }

  #receive(reply: SendReply, release: (socket: number) => void = closeSync): void {
    const sending = this.#sending.get(reply.id);
    if (sending === undefined) return;
    this.#sending.delete(reply.id);
    release(sending.socket);
    sending.resolve(reply);
  }
}

/** Opens a pipe whose ends are non-blocking and closed in child processes. */
function openPipe(): readonly [end: number, wake: number] {
  const { pipe2 } = loadLibc({ pipe2: { args: [FFIType.ptr, FFIType.i32], returns: FFIType.i32 } });
  const [end, wake] = [new Int32Array(2)].flatMap((ends) =>
    pipe2(ptr(ends), O_NONBLOCK | O_CLOEXEC) === 0 ? [...ends] : [],
  );
  if (end === undefined || wake === undefined) throw new Error('no pipe could be opened');
  return [end, wake];
}
