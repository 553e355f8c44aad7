const QUIET_MS = 60_000;

/** Passes errors on, but the same one once a minute: while Redis is away, every attempt to connect fails alike. */
export class Trouble {
  readonly #report: (error: unknown) => void;
  readonly #now: () => number;
  #last = '';
  #lastAt = Number.NEGATIVE_INFINITY;

  constructor(report: (error: unknown) => void, now: () => number) {
    this.#report = report;
    this.#now = now;
  }

  readonly met = (error: unknown): void => {
    const message = String(error);
    if (message === this.#last && this.#now() - this.#lastAt < QUIET_MS) return;
    this.#last = message;
    this.#lastAt = this.#now();
    this.#report(error);
  };
}
