/** How often a node looks for changes of robots, in milliseconds: "every node knows a revocation within 5 s". */
export const LOOK_EVERY_MS = 2_000;
/** A look that takes longer has failed. */
const LOOK_WITHIN_MS = 2_500;
/** A robot cannot log in on a node that has known for longer than this whether it was revoked. */
export const MAX_AGE_FOR_LOGIN_MS = 10_000;
/** Tokens of robots are not accepted on a node that has not known for longer than this: about as long as a token lives. */
export const MAX_AGE_FOR_TOKENS_MS = 5 * 60_000;

export interface FreshnessPorts {
  /** Brings what is known up to date. */
  readonly look: (signal: AbortSignal) => Promise<void>;
  /** Milliseconds, of a clock that never goes back. */
  readonly now: () => number;
  /** Called when looks begin to fail, and again when the reason is another one. */
  readonly onStale: (error: unknown) => void;
  readonly onFresh: () => void;
}

/** How old this node's knowledge of robots is. */
export class Freshness {
  readonly #ports: FreshnessPorts;
  #freshAt = Number.NEGATIVE_INFINITY;
  #isLooking = false;
  #isStale = false;

  constructor(ports: FreshnessPorts) {
    this.#ports = ports;
  }

  /** Milliseconds; Infinity before the first look that succeeded. */
  get age(): number {
    return this.#ports.now() - this.#freshAt;
  }

  /** Never rejects. While one look is waiting, further calls do nothing. */
  async look(): Promise<void> {
    const { look, now, onFresh } = this.#ports;
    if (this.#isLooking) {
      // Stores whose reads cannot be aborted can keep it waiting.
      if (this.age > MAX_AGE_FOR_LOGIN_MS) this.#stale(new Error('the store does not answer'));
      return;
    }
    this.#isLooking = true;
    const startedAt = now();
    try {
      await look(AbortSignal.timeout(LOOK_WITHIN_MS));
      this.#freshAt = startedAt;
      if (this.#isStale) onFresh();
      this.#isStale = false;
    } catch (error) {
      this.#stale(error);
    } finally {
      this.#isLooking = false;
    }
  }

  /** Once per outage is enough. */
  #stale(error: unknown): void {
    if (!this.#isStale) this.#ports.onStale(error);
    this.#isStale = true;
  }
}
