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
export interface FileAnswer extends Pick<SendFile, 'head' | 'path' | 'start' | 'end'> {
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
    const thread = new SendThread(this.#ports.idle, this.#connections, (error) => {
      this.#threads.splice(this.#threads.indexOf(thread), 1);
      this.#ports.failed(error);
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

/** The serving thread's end of a sending thread. */
class SendThread {
  readonly #worker: Worker;
  readonly #connections: Connections;
  readonly #pipe: readonly [end: number, wake: number];
  readonly #sending = new Map<number, Sending>();
  #last = 0;

  /** @throws EMFILE */
  constructor(idle: number, connections: Connections, lost: (error: Error) => void) {
    refuseWithoutDescriptors();
    this.#connections = connections;
    this.#pipe = openPipe();
    this.#worker = new Worker(new URL('./send-worker.ts', import.meta.url).href, { smol: true });
    this.#worker.unref();
    this.#worker.onmessage = (event: MessageEvent<SendReply>) => this.#receive(event.data);
    this.#worker.onerror = (event) => {
      const message = `a sending thread ended: ${event.message}`;
      this.#lose(message);
      lost(new Error(message));
    };
    this.#worker.addEventListener('close', () => this.#pipe.forEach(closeSync));
    this.#worker.postMessage({ kind: 'start', wake: this.#pipe[0], idle } satisfies SendRequest);
  }

  get busy(): number {
    return this.#sending.size;
  }

  /** @param socket is closed at the end */
  send({ head, path, start, end }: FileAnswer, socket: number): Promise<SendReply> {
    const id = ++this.#last;
    // First: where that fails, nothing has been asked.
    writeSync(this.#pipe[1], '.');
    this.#worker.postMessage({ kind: 'send', id, socket, head, path, start, end } satisfies SendRequest);
    return new Promise((resolve) => {
      this.#sending.set(id, { socket, resolve });
    });
  }

  cut(): void {
    for (const { socket } of this.#sending.values()) this.#connections.cut(socket);
  }

  async close(): Promise<void> {
    this.cut();
    // It closes its files, unless it waits for a disk that does not answer.
    const deadline = performance.now() + END_WITHIN_MS;
    while (this.busy > 0 && performance.now() < deadline) await setTimeout(POLL_MS);
    this.#worker.terminate();
    // Its connections are cut, but kept: if it wakes up once more it must not find another one under a number of theirs.
    this.#lose('the sending thread was stopped', () => {});
  }

  #receive(reply: SendReply, release: (socket: number) => void = closeSync): void {
    const sending = this.#sending.get(reply.id);
    if (sending === undefined) return;
    this.#sending.delete(reply.id);
    release(sending.socket);
    sending.resolve(reply);
  }

  /** Nobody knows how far it came. */
  #lose(message: string, release?: (socket: number) => void): void {
    this.cut();
    for (const id of [...this.#sending.keys()]) {
      this.#receive({ kind: 'ended', id, sent: 0, outcome: { kind: 'failed', message } }, release);
    }
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
