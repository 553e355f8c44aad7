import { clientOf } from './client-address.ts';

/** Limits on wrong attempts within a time window. */
export interface GuessingLimits {
  /** Milliseconds from the first wrong attempt. */
  readonly window: number;
  /** Wrong attempts of one client on one account. */
  readonly perAccount: number;
  /** Wrong attempts of one client on all accounts together, so that it cannot try one password with many names. */
  readonly perClient: number;
  /** Maximum number of counters; beyond it the oldest are dropped. */
  readonly counters: number;
}

const LIMITS: GuessingLimits = { window: 10 * 60_000, perAccount: 10, perClient: 1_000, counters: 65_536 };

/** Longer account names with the same beginning share a counter. */
const MAX_ACCOUNT_CHARACTERS = 255;

export type Attempt =
  /** It counts as wrong until it is taken back, even while its credentials are being checked. */
  | { readonly kind: 'allowed'; readonly takeBack: () => void }
  | { readonly kind: 'later'; readonly retryAfterSeconds: number };

interface Counter {
  wrong: number;
  /** When the window ends. */
  readonly until: number;
}

/**
 * Limits how often credentials can be guessed, by client address (IPv6: /64 network) and account. Wrong attempts of one client
 * never lock an account for other clients. The counters are in the memory of this process.
 */
export class GuessingLimiter {
  readonly #now: () => number;
  readonly #limits: GuessingLimits;
  /** Ordered by the end of their windows, because all windows have the same length. */
  readonly #counters = new Map<string, Counter>();

  /** @param now milliseconds, of a monotonic clock */
  constructor(now: () => number, limits = LIMITS) {
    this.#now = now;
    this.#limits = limits;
  }

  /** Current number of counters. */
  get size(): number {
    return this.#counters.size;
  }

  /**
   * Decides whether credentials may be checked. The attempt counts as wrong until the caller takes it back, because the credentials
   * were right or were not checked. So concurrent attempts cannot exceed the limit.
   */
  attempt(address: string | undefined, account: string): Attempt {
    const now = this.#now();
    this.#dropEnded(now);
    const client = clientOf(address);
    const counted: readonly (readonly [key: string, max: number])[] = [
      // No address has a space.
      [`${client} ${account.slice(0, MAX_ACCOUNT_CHARACTERS)}`, this.#limits.perAccount],
      [client, this.#limits.perClient],
    ];
    for (const [key, max] of counted) {
      const counter = this.#counters.get(key);
      if (counter !== undefined && counter.wrong >= max)
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
