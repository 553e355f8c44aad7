const INTERVAL_MS = 60_000;
const MAX_LINES = 100;

/** Limits the log lines about one problem to a hundred a minute, because another program can cause any number of them. */
export class LineThrottle {
  readonly #now: () => number;
  #beganAt = Number.NEGATIVE_INFINITY;
  #written = 0;
  #skipped = 0;

  /** @param now milliseconds, of a monotonic clock */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** @returns how many lines were left out since the last one; undefined if this one must be left out, too */
  admit(): number | undefined {
    const now = this.#now();
    if (now - this.#beganAt >= INTERVAL_MS) {
      this.#beganAt = now;
      this.#written = 0;
    }
    if (this.#written === MAX_LINES) {
      this.#skipped++;
      return undefined;
    }
    this.#written++;
    const skipped = this.#skipped;
    this.#skipped = 0;
    return skipped;
  }
}
