import { clientOf } from './client-address.ts';

/** What may be guessed within a window of time. */
export interface GuessingLimits {
  /** Milliseconds, from the first wrong attempt on. */
  readonly window: number;
  /** Wrong attempts of one client at one account. */
  readonly perAccount: number;
  /** Wrong attempts of one client at all accounts together: some passwords tried with many names. */
  readonly perClient: number;
  /** Counters that are kept; with more, the oldest are dropped. */
  readonly counters: number;
}

const LIMITS: GuessingLimits = { window: 10 * 60_000, perAccount: 10, perClient: 1_000, counters: 65_536 };

/** An account name that is longer shares its counter with all that begin like it. */
const MAX_ACCOUNT_CHARACTERS = 255;

export type Attempt =
  /** It counts as wrong, also while its credentials are being checked, until it is taken back. */
  | { readonly kind: 'allowed'; readonly takeBack: () => void }
  | { readonly kind: 'later'; readonly retryAfterSeconds: number };

interface Counter {
  wrong: number;
  /** When the window ends. */
  readonly until: number;
}

/**
 * Limits how often credentials can be guessed, by the client's address (IPv6: its /64 network) and the account. Wrong attempts of
 * one client never lock an account for clients elsewhere. In memory, for this process.
 */
export class GuessingLimiter {
  readonly #now: () => number;
  readonly #limits: GuessingLimits;
  /** In the order in which their windows end, since all windows have the same length. */
  readonly #counters = new Map<string, Counter>();

  /** @param now milliseconds, of a clock that never goes back */
  constructor(now: () => number, limits = LIMITS) {
    this.#now = now;
    this.#limits = limits;
  }

  /** How many counters are kept now. */
  get size(): number {
    return this.#counters.size;
  }

  /**
   * Asks whether credentials may be checked, and counts them as wrong until the caller takes that back: when they were right, or
   * were not checked at all. So attempts at the same time cannot be more than those one after the other.
   */
  attempt(address: string | undefined, account: string): Attempt {
    const now = this.#now();
    this.#dropEnded(now);
    const client = clientOf(address);
    const counted: readonly (readonly [key: string, most: number])[] = [
      // No address has a space.
      [`${client} ${account.slice(0, MAX_ACCOUNT_CHARACTERS)}`, this.#limits.perAccount],
      [client, this.#limits.perClient],
    ];
    for (const [key, most] of counted) {
      const counter = this.#counters.get(key);
      if (counter !== undefined && counter.wrong >= most)
        return { kind: 'later', retryAfterSeconds: Math.max(1, Math.ceil((counter.until - now) / 1000)) };
    }
    const counters = counted.map(([key]) => [key, this.#count(key, now)] as const);
    let isCounted = true;
    const takeBack = (): void => {
      if (!isCounted) return;
      isCounted = false;
      for (const [key, counter] of counters) this.#discount(key, counter);
    };
    return { kind: 'allowed', takeBack };
  }

  #count(key: string, now: number): Counter {
    const counted = this.#counters.get(key);
    if (counted !== undefined) {
      counted.wrong++;
      return counted;
    }
    const [oldest] = this.#counters.keys();
    if (oldest !== undefined && this.#counters.size >= this.#limits.counters) this.#counters.delete(oldest);
    const counter = { wrong: 1, until: now + this.#limits.window };
    this.#counters.set(key, counter);
    return counter;
  }

  #discount(key: string, counter: Counter): void {
    counter.wrong--;
    if (counter.wrong === 0 && this.#counters.get(key) === counter) this.#counters.delete(key);
  }

  #dropEnded(now: number): void {
    for (const [key, { until }] of this.#counters) {
      if (until > now) break;
      this.#counters.delete(key);
    }
  }
}
