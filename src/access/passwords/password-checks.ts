import { FairTurns, type Release } from './fair-turns.ts';
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

/** Checks passwords on threads of their own, for each client in turn, with bounds on how many wait and for how long. */
export class PasswordChecks {
  /** Those that check nothing now. */
  readonly #idle: PasswordThread[];
  readonly #threads: readonly PasswordThread[];
  readonly #turns: FairTurns;
  readonly #maxWait: number;

  constructor(threads: number, maxWait = MAX_WAIT_MS) {
    this.#threads = Array.from({ length: threads }, () => new PasswordThread());
    this.#idle = [...this.#threads];
    this.#turns = new FairTurns(threads);
    this.#maxWait = maxWait;
  }

  /** @param client as clientOf gives it */
  async check(password: string, hash: PasswordHash, client: string): Promise<Checked> {
    const release = this.#turns.tryAcquire() ?? (await this.#wait(client));
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
    if (this.#turns.waiting >= MAX_WAITING || this.#turns.waitingOf(client) >= MAX_WAITING_PER_CLIENT) return undefined;
    const tooLate = new AbortController();
    const timer = setTimeout(() => tooLate.abort(), this.#maxWait);
    try {
      return await this.#turns.acquire(client, tooLate.signal);
    } catch (error) {
      if (tooLate.signal.aborted) return undefined;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}
