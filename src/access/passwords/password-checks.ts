import { type Release, Semaphore } from '../../system/semaphore.ts';
import { type PasswordHash, significantBytes } from './password-hash.ts';
import { PasswordThread } from './password-thread.ts';

/** From the request for a check until it begins. */
const MAX_WAIT_MS = 5_000;
const MAX_WAITING = 256;
/** One client must not take all places: those of others would then wait in vain. */
const MAX_WAITING_PER_CLIENT = 32;

export type Checked =
  | { readonly kind: 'checked'; readonly isRight: boolean }
  /** There was no capacity in time. */
  | { readonly kind: 'busy' };

/** Checks passwords on threads of their own, in the order of their arrival, with bounds on how many wait and for how long. */
export class PasswordChecks {
  /** Those that check nothing now. */
  readonly #idle: PasswordThread[];
  readonly #threads: readonly PasswordThread[];
  readonly #permits: Semaphore;
  readonly #waitingOf = new Map<string, number>();
  readonly #maxWait: number;

  constructor(threads: number, maxWait = MAX_WAIT_MS) {
    this.#threads = Array.from({ length: threads }, () => new PasswordThread());
    this.#idle = [...this.#threads];
    this.#permits = new Semaphore(threads);
    this.#maxWait = maxWait;
  }

  /** @param client as clientOf gives it */
  async check(password: string, hash: PasswordHash, client: string): Promise<Checked> {
    const release = this.#permits.tryAcquire() ?? (await this.#wait(client));
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
    const waiting = this.#waitingOf.get(client) ?? 0;
    if (this.#permits.waiting >= MAX_WAITING || waiting >= MAX_WAITING_PER_CLIENT) return undefined;
    this.#waitingOf.set(client, waiting + 1);
    const tooLate = new AbortController();
    const timer = setTimeout(() => tooLate.abort(), this.#maxWait);
    try {
      return await this.#permits.acquire(tooLate.signal);
    } catch (error) {
      if (tooLate.signal.aborted) return undefined;
      throw error;
    } finally {
      clearTimeout(timer);
      const left = (this.#waitingOf.get(client) ?? 0) - 1;
      if (left > 0) this.#waitingOf.set(client, left);
      else this.#waitingOf.delete(client);
    }
  }
}
