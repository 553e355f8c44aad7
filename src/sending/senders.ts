import { FFIType, ptr } from 'bun:ffi';
import { closeSync, writeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { refuseWithoutDescriptors } from '../system/descriptors.ts';
import { loadLibc } from '../system/libc.ts';
import { Connections, type Peer } from './connections.ts';
import type { SendFile, SendReply, SendRequest } from './protocol.ts';

const O_NONBLOCK = 0x800;
const O_CLOEXEC = 0x80000;
const END_WITHIN_MS = 2_000;
const POLL_MS = 5;

/** An answer whose body is a part of a file. */
export interface FileAnswer extends Pick<SendFile, 'head' | 'file' | 'start' | 'end'> {
  readonly peer: Peer;
  /** The port of ours that the connection leads to. */
  readonly localPort: number;
}

export interface SendersPorts {
  /** Threads at most; they are started when they are first needed. */
  readonly threads: number;
  /** Milliseconds after which a client that takes nothing is given up. */
  readonly idle: number;
  /** A thread ended that should not. */
  readonly failed: (error: Error) => void;
  /** Starts a thread. For tests. */
  readonly openWorker?: () => Worker;
}

export function openSendWorker(): Worker {
  return new Worker(new URL('./send-worker.ts', import.meta.url).href, { smol: true });
}

/**
 * Sends files from threads beside the serving one, over connections of the server that are borrowed from it. Whoever lends one must
 * not answer on it any more: it is shut down at the end.
 */
export class Senders {
  readonly #ports: SendersPorts;
  readonly #connections = new Connections();
  readonly #threads: SendThread[] = [];

  constructor(ports: SendersPorts) {
    this.#ports = ports;
  }

  /** @returns undefined where the connection cannot be borrowed, or no thread can be started; nothing has happened to it then */
  send(answer: FileAnswer): Promise<SendReply> | undefined {
    let socket: number | undefined;
    try {
      const thread = this.#thread();
      socket = this.#connections.borrow(answer.localPort, answer.peer);
      return socket === undefined ? undefined : thread.send(answer, socket);
    } catch (error) {
      // Too many open files, mostly: the serving thread sends it then.
      if (socket !== undefined) closeSync(socket);
      this.#ports.failed(errorOf(error));
      return undefined;
    }
  }

  /** Ends what is under way. */
  cut(): void {
    for (const thread of this.#threads) thread.cut();
  }

  /** Ends what is under way, and the threads. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.splice(0).map((thread) => thread.close()));
  }

  /** The least busy one; a new one while all are busy and there may be more. */
  #thread(): SendThread {
    const [idlest] = this.#threads.toSorted((a, b) => a.busy - b.busy);
    if (idlest === undefined) return this.#start();
    if (idlest.busy === 0 || this.#threads.length >= this.#ports.threads) return idlest;
    try {
      return this.#start();
    } catch (error) {
      this.#ports.failed(errorOf(error));
      return idlest;
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
  /** The thread ended although nobody closed it. Called at most once. */
  readonly lost: (error: Error) => void;
}

/** The serving thread's end of a sending thread. */
class SendThread {
  readonly #worker: Worker;
  readonly #ports: SendThreadPorts;
  readonly #pipe: readonly [end: number, wake: number];
  readonly #sending = new Map<number, Sending>();
  /** Connections that were cut while the thread may still have used them: closed when it is gone. */
  readonly #cut: number[] = [];
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
      for (const descriptor of [...this.#pipe, ...this.#cut.splice(0)]) closeSync(descriptor);
    });
    this.#worker.postMessage({ kind: 'start', wake: this.#pipe[0], idle: ports.idle } satisfies SendRequest);
  }

  get busy(): number {
    return this.#sending.size;
  }

  /** @param socket is closed at the end */
  send({ head, file, start, end }: FileAnswer, socket: number): Promise<SendReply> {
    const id = ++this.#last;
    // First: where that fails, nothing has been asked.
    writeSync(this.#pipe[1], '.');
    this.#worker.postMessage({ kind: 'send', id, socket, head, file, start, end } satisfies SendRequest);
    return new Promise((resolve) => {
      this.#sending.set(id, { socket, resolve });
    });
  }

  cut(): void {
    for (const { socket } of this.#sending.values()) this.#ports.connections.cut(socket);
  }

  async close(): Promise<void> {
    this.cut();
    // It closes its files, unless it waits for a disk that does not answer.
    const deadline = performance.now() + END_WITHIN_MS;
    while (this.busy > 0 && performance.now() < deadline) await setTimeout(POLL_MS);
    this.#end('the sending thread was stopped');
  }

  /** A thread that reports an error is not trusted with further files, also where it would go on. */
  #lose(reason: string): void {
    if (this.#ended) return;
    const message = `a sending thread ended: ${reason}`;
    this.#end(message);
    this.#ports.lost(new Error(message));
  }

  /**
   * Stops the thread. Nobody knows how far its transfers came. Their connections are cut here, but keep their numbers until the thread
   * is gone: if it writes once more, it must not find another connection under one of them.
   */
  #end(message: string): void {
    this.#ended = true;
    this.cut();
    for (const id of [...this.#sending.keys()]) {
      this.#receive({ id, sent: 0, outcome: { kind: 'failed', message } }, (socket) => this.#cut.push(socket));
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

/** Neither end waits, and no child process gets them. */
function openPipe(): readonly [end: number, wake: number] {
  const { pipe2 } = loadLibc({ pipe2: { args: [FFIType.ptr, FFIType.i32], returns: FFIType.i32 } });
  const [end, wake] = [new Int32Array(2)].flatMap((ends) =>
    pipe2(ptr(ends), O_NONBLOCK | O_CLOEXEC) === 0 ? [...ends] : [],
  );
  if (end === undefined || wake === undefined) throw new Error('no pipe could be opened');
  return [end, wake];
}
