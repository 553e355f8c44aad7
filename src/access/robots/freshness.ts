import { within } from '../../system/within.ts';

/** How often a node polls for changes of robots, in milliseconds: "every node knows a revocation within 5 s". */
export const POLL_INTERVAL_MS = 2_000;
/** A poll that takes longer has failed. */
const POLL_TIMEOUT_MS = 2_500;
/** Robots cannot log in on a node whose last successful poll is older than this. */
export const MAX_AGE_FOR_LOGIN_MS = 10_000;
/** Robots' tokens are refused on a node whose last successful poll is older than this. A token lives about as long. */
export const MAX_AGE_FOR_TOKENS_MS = 5 * 60_000;

export interface FreshnessPorts {
  /** Reads the changes since the last poll. */
  readonly poll: (signal: AbortSignal) => Promise<void>;
  /** Milliseconds, of a monotonic clock. */
  readonly now: () => number;
  /** Called once per outage, when polls begin to fail. */
  readonly onStale: (error: unknown) => void;
  readonly onFresh: () => void;
}

/** Polls for changes of robots, and knows how long ago that last succeeded. */
export class Freshness {
  readonly #ports: FreshnessPorts;
  #freshAt = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;
  #isStale = false;

  constructor(ports: FreshnessPorts) {
    this.#ports = ports;
  }

  /** Milliseconds since the last successful poll began; Infinity before the first one. */
  get age(): number {
    return this.#ports.now() - this.#freshAt;
  }

  /** Whether the last poll failed. */
  get isStale(): boolean {
    return this.#isStale;
  }

  /** Never rejects. Does nothing while another poll is running. */
  async poll(): Promise<void> {
    if (this.#running !== undefined) {
      // Some stores cannot abort a read, so a poll can outlive its timeout.
      if (this.age > MAX_AGE_FOR_LOGIN_MS) this.#stale(new Error('the store does not respond'));
      return;
    }
    this.#running = this.#poll();
    try {
      await this.#running;
    } finally {
      this.#running = undefined;
    }
  }

  /**
   * Polls now, because there are changes that this thread has not read. Never rejects. Resolves once it has read them, a poll has failed,
   * or a poll would have timed out.
   */
  async catchUp(isBehind: () => boolean): Promise<void> {
    const polls = async (): Promise<void> => {
      // A poll that was already running may have looked too early. The next one has not.
      for (let left = 2; left > 0 && isBehind() && !this.#isStale; left--) await (this.#running ?? this.poll());
    };
    await within(POLL_TIMEOUT_MS, polls());
  }

  async #poll(): Promise<void> {
    const { poll, now, onFresh } = this.#ports;
    const startedAt = now();
    try {
      await poll(AbortSignal.timeout(POLL_TIMEOUT_MS));
      this.#freshAt = startedAt;
      if (this.#isStale) onFresh();
      this.#isStale = false;
    } catch (error) {
      this.#stale(error);
    }
  }

  /** Reports each outage once. */
  #stale(error: unknown): void {
    if (!this.#isStale) this.#ports.onStale(error);
    this.#isStale = true;
  }
}
