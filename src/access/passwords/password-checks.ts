import { Displaced, FairSemaphore, type Release } from './fair-semaphore.ts';
import { type PasswordHash, significantBytes } from './password-hash.ts';
import { PasswordThread } from './password-thread.ts';

/** Maximum time from the request for a check until the check begins. */
const MAX_WAIT_MS = 5_000;
const MAX_WAITING = 256;
/** In a full queue, a client with fewer requests takes the place of one with more. */
const MAX_WAITING_PER_CLIENT = 32;

export type Checked =
  | { readonly kind: 'checked'; readonly isRight: boolean }
  /** No thread was free in time, or too many checks wait. */
  | { readonly kind: 'busy' };

/** Checks passwords on dedicated threads. Clients take turns. The queue and the time in it are bounded. */
export class PasswordChecks {
  /** Threads without a check. */
  readonly #idle: PasswordThread[];
  readonly #threads: readonly PasswordThread[];
  readonly #semaphore: FairSemaphore;
  readonly #maxWait: number;

  constructor(threads: number, maxWait = MAX_WAIT_MS) {
    this.#threads = Array.from({ length: threads }, () => new PasswordThread());
    this.#idle = [...this.#threads];
    this.#semaphore = new FairSemaphore(threads);
    this.#maxWait = maxWait;
  }

  /** @param client key from `clientOf` */
  async check(password: string, hash: PasswordHash, client: string): Promise<Checked> {
    const release = this.#semaphore.tryAcquire() ?? (await this.#wait(client));
    if (release === undefined) return { kind: 'busy' };
    const thread = this.#idle.pop();
    try {
      if (thread === undefined) throw new Error('there are more permits than threads');
      const isRight = await thread.check({ password: significantBytes(password, hash), hash: hash.text });
      return { kind: 'checked', isRight };
    } finally {
      if (thread !== undefined) this.#idle.push(thread);
      release();
    }
  }

  close(): void {
    for (const thread of this.#threads) thread.close();
  }

  async #wait(client: string): Promise<Release | undefined> {
    if (this.#semaphore.waitingOf(client) >= MAX_WAITING_PER_CLIENT) return undefined;
    if (this.#semaphore.waiting >= MAX_WAITING && !this.#semaphore.makeRoom(client)) return undefined;
    const tooLate = new AbortController();
    const timer = setTimeout(() => tooLate.abort(), this.#maxWait);
    try {
      return await this.#semaphore.acquire(client, tooLate.signal);
    } catch (error) {
      if (tooLate.signal.aborted || error instanceof Displaced) return undefined;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}
