const REPEAT_AFTER_MS = 60_000;

/** Reports errors, but a repeated one only once a minute, because every attempt to connect fails alike while Redis is down. */
export class ErrorThrottle {
  readonly #onError: (error: unknown) => void;
  readonly #now: () => number;
  #lastMessage = '';
  #lastAt = Number.NEGATIVE_INFINITY;

  constructor(onError: (error: unknown) => void, now: () => number) {
    this.#onError = onError;
    this.#now = now;
  }

  readonly report = (error: unknown): void => {
    const message = String(error);
    if (message === this.#lastMessage && this.#now() - this.#lastAt < REPEAT_AFTER_MS) return;
    this.#lastMessage = message;
    this.#lastAt = this.#now();
    this.#onError(error);
  };
}
