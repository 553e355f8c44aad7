import { type Algorithm, digestFromHex } from '../../oci/digest.ts';
import type { Digest } from '../../oci/names.ts';
import type { HashReply, HashRequest } from './hash-protocol.ts';

/** How far the hashing may fall behind the writing, in bytes: far enough to overlap, near enough to stay in the page cache. */
const MAX_LAG = 64 * 1024 * 1024;

/** The serving thread's end of the hashing thread. The thread is started when it is first needed. */
export class Hasher {
  #worker: Worker | undefined;
  readonly #followers = new Map<string, FileHash>();

  /** Begins to hash a file, or goes on where its last writer stopped. One at a time for an id. */
  open(id: string, algorithm: Algorithm, fd: number, from: number): FileHash {
    const follower = new FileHash(id, algorithm, fd, (request) => this.#send(request));
    this.#followers.set(id, follower);
    this.#send({ kind: 'open', id, algorithm, fd, from });
    return follower;
  }

  close(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
  }

  #send(request: HashRequest): void {
    this.#worker ??= this.#start();
    this.#worker.postMessage(request);
  }

  #start(): Worker {
    const worker = new Worker(new URL('./hash-worker.ts', import.meta.url).href);
    worker.unref();
    worker.onmessage = (event: MessageEvent<HashReply>) => this.#receive(event.data);
    worker.onerror = (event) => {
      // The thread is gone: what waits for it fails, and the next upload starts a new one.
      this.#worker = undefined;
      for (const follower of this.#followers.values()) {
        follower.receive({ kind: 'failed', id: follower.id, message: `the hashing thread ended: ${event.message}` });
      }
      this.#followers.clear();
    };
    return worker;
  }

  #receive(reply: HashReply): void {
    this.#followers.get(reply.id)?.receive(reply);
    if (reply.kind === 'closed') this.#followers.delete(reply.id);
  }
}

/** The running hash of one staged file. */
export class FileHash {
  readonly id: string;
  readonly #algorithm: Algorithm;
  readonly #fd: number;
  readonly #send: (request: HashRequest) => void;
  #position = 0;
  #failure: Error | undefined;
  #waiter:
    | { until: (reply: HashReply | undefined) => boolean; resolve: (reply: HashReply | undefined) => void }
    | undefined;

  constructor(id: string, algorithm: Algorithm, fd: number, send: (request: HashRequest) => void) {
    this.id = id;
    this.#algorithm = algorithm;
    this.#fd = fd;
    this.#send = send;
  }

  /** The file holds bytes up to there. The promise is the back-pressure when hashing lags far behind. */
  async follow(upTo: number): Promise<void> {
    this.#throwFailure();
    this.#send({ kind: 'follow', id: this.id, fd: this.#fd, upTo });
    if (upTo - this.#position > MAX_LAG) await this.#until(() => upTo - this.#position <= MAX_LAG / 2);
  }

  /** Digest of the first `upTo` bytes, where the hash has not passed them yet. */
  async digest(upTo: number): Promise<Digest> {
    this.#throwFailure();
    this.#send({ kind: 'digest', id: this.id, fd: this.#fd, upTo });
    const reply = await this.#until((each) => each?.kind === 'digest');
    if (reply?.kind !== 'digest') throw new Error('the hashing thread gave no digest');
    return digestFromHex(this.#algorithm, reply.hex);
  }

  /** After this the thread reads the descriptor no more. */
  async close(): Promise<void> {
    this.#send({ kind: 'close', id: this.id });
    // A hash that failed has been reported to whoever asked for its digest; there is nothing more to wait for.
    if (this.#failure === undefined) await this.#wait((each) => each?.kind === 'closed');
  }

  receive(reply: HashReply): void {
    if (reply.kind === 'position') this.#position = reply.position;
    if (reply.kind === 'failed') this.#failure = new Error(reply.message);
    const waiter = this.#waiter;
    if (waiter !== undefined && (this.#failure !== undefined || waiter.until(reply))) {
      this.#waiter = undefined;
      waiter.resolve(reply);
    }
  }

  async #until(until: (reply: HashReply | undefined) => boolean): Promise<HashReply | undefined> {
    if (this.#failure === undefined && until(undefined)) return undefined;
    const reply = await this.#wait(until);
    this.#throwFailure();
    return reply;
  }

  #wait(until: (reply: HashReply | undefined) => boolean): Promise<HashReply | undefined> {
    return new Promise((resolve) => {
      this.#waiter = { until, resolve };
    });
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
