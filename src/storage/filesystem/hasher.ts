import { type Algorithm, digestFromHex } from '../../oci/digest.ts';
import type { Digest } from '../../oci/names.ts';
import { refuseWithoutDescriptors } from '../../system/descriptors.ts';
import type { HashReply, HashRequest } from './hash-protocol.ts';

/** How far hashing may lag behind writing, in bytes: far enough to overlap, near enough to stay in the page cache. */
const MAX_LAG = 64 * 1024 * 1024;

/** The hashing thread as seen by the serving thread. It is started on first use. */
export class Hasher {
  #worker: Worker | undefined;
  readonly #followers = new Map<string, FileHash>();

  /**
   * Begins to hash a file, or continues after its last writer. Only one at a time for each id.
   * @param digest of the bytes so far; if omitted they are read again
   */
  open(id: string, algorithm: Algorithm, fd: number, from: number, digest?: Digest): FileHash {
    const follower = new FileHash(id, algorithm, fd, (request) => this.#send(request));
    this.#followers.set(id, follower);
    this.#send({ kind: 'open', id, algorithm, fd, from, digest });
    return follower;
  }

  close(): void {
    this.#worker?.terminate();
    this.#lose('the hashing thread was stopped');
  }

  #send(request: HashRequest): void {
    try {
      this.#worker ??= this.#start();
    } catch (error) {
      this.#lose(`the hashing thread could not be started: ${String(error)}`);
      return;
    }
    this.#worker.postMessage(request);
  }

  #start(): Worker {
    refuseWithoutDescriptors();
    const worker = new Worker(new URL('./hash-worker.ts', import.meta.url).href);
    worker.unref();
    worker.onmessage = (event: MessageEvent<HashReply>) => this.#receive(event.data);
    worker.onerror = (event) => this.#lose(`the hashing thread ended: ${event.message}`);
    return worker;
  }

  /** The thread died: pending requests fail, and the next upload starts a new one. */
  #lose(message: string): void {
    this.#worker = undefined;
    for (const [id, follower] of this.#followers) {
      follower.receive({ kind: 'failed', id, message });
      follower.receive({ kind: 'closed', id });
    }
    this.#followers.clear();
  }

  #receive(reply: HashReply): void {
    this.#followers.get(reply.id)?.receive(reply);
    if (reply.kind === 'closed') this.#followers.delete(reply.id);
  }
}

interface Waiter {
  readonly until: (reply: HashReply) => boolean;
  readonly resolve: (reply: HashReply) => void;
}

/** The running hash of one staged file. */
export class FileHash {
  readonly #id: string;
  readonly #algorithm: Algorithm;
  readonly #fd: number;
  readonly #send: (request: HashRequest) => void;
  #position = 0;
  #failure: Error | undefined;
  #closed = false;
  #waiters: Waiter[] = [];

  constructor(id: string, algorithm: Algorithm, fd: number, send: (request: HashRequest) => void) {
    this.#id = id;
    this.#algorithm = algorithm;
    this.#fd = fd;
    this.#send = send;
  }

  /**
   * Tells the thread that the file holds bytes up to there. The promise is back-pressure if hashing lags far behind.
   */
  async follow(upTo: number): Promise<void> {
    this.#throwFailure();
    this.#send({ kind: 'follow', id: this.#id, fd: this.#fd, upTo });
    if (upTo - this.#position > MAX_LAG) await this.#reply(() => upTo - this.#position <= MAX_LAG / 2);
  }

  /**
   * Lets the kernel begin to write to the disk what the file holds. Makes nothing durable. The hashing thread asks for it, because
   * the request waits while the disk's queue is full.
   */
  writeBack(): void {
    if (this.#failure === undefined) this.#send({ kind: 'write-back', id: this.#id, fd: this.#fd });
  }

  /** Digest of the first `upTo` bytes. */
  async digest(upTo: number): Promise<Digest> {
    this.#throwFailure();
    this.#send({ kind: 'digest', id: this.#id, fd: this.#fd, upTo });
    const reply = await this.#reply((each) => each.kind === 'digest');
    if (reply.kind !== 'digest') throw new Error('the hashing thread gave no digest');
    return digestFromHex(this.#algorithm, reply.hex);
  }

  /**
   * After this the thread no longer reads the descriptor, and all its replies have arrived, even for a failed hash. A
   * late one would be taken for the next writer's.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#send({ kind: 'close', id: this.#id });
    await this.#wait((reply) => reply.kind === 'closed');
  }

  receive(reply: HashReply): void {
    if (reply.kind === 'position') this.#position = reply.position;
    if (reply.kind === 'failed') this.#failure = new Error(reply.message);
    if (reply.kind === 'closed') this.#closed = true;
    const waiters = this.#waiters;
    this.#waiters = waiters.filter(({ until }) => !until(reply));
    for (const { until, resolve } of waiters) if (until(reply)) resolve(reply);
  }

  /** Waits for the first reply for which `until` holds. A failure ends the wait. */
  async #reply(until: (reply: HashReply) => boolean): Promise<HashReply> {
    const reply = await this.#wait((each) => this.#failure !== undefined || until(each));
    this.#throwFailure();
    return reply;
  }

  #wait(until: (reply: HashReply) => boolean): Promise<HashReply> {
    return new Promise((resolve) => {
      this.#waiters.push({ until, resolve });
    });
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
