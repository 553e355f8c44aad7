const INTERVAL_MS = 60_000;

/** Limits the log lines about one problem to one a minute, because another program can cause any number of them. */
export class LineThrottle {
  readonly #now: () => number;
  #lastAt = Number.NEGATIVE_INFINITY;
  #skipped = 0;

  /** @param now milliseconds, of a monotonic clock */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** @returns how many lines were left out since the last one; undefined if this one must be left out, too */
  admit(): number | undefined {
    const now = this.#now();
    if (now - this.#lastAt < INTERVAL_MS) {
      this.#skipped++;
      return undefined;
    }
    const skipped = this.#skipped;
    this.#lastAt = now;
    this.#skipped = 0;
    return skipped;
  }
}
