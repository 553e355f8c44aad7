/** What a client must keep to while it sends a body. */
export interface BodyPace {
  /** Milliseconds of waiting without a byte after which the client counts as gone. */
  readonly idle: number;
  /** Bytes a second, on average over `idle` milliseconds of waiting; 0 for any rate. */
  readonly minRate: number;
}

/** Why a client counts as gone. */
export type Stall = 'silent' | 'slow';

/** A thread that was busy finds its timers before the bytes that arrived meanwhile: it looks for those once more. */
const SECOND_LOOK_MS = 10;

/**
 * Measures how long a client keeps us waiting for its body. Only the time between `waiting` and `received` counts: while we wait
 * for the disk or the store, the client cannot send, however willing it is.
 */
export class ClientClock {
  readonly #pace: BodyPace;
  readonly #gone: () => void;
  #stall: Stall | undefined;
  /** When the current wait began, undefined while there is none. */
  #since: number | undefined;
  /** Of the current window, which ends after `idle` milliseconds of waiting: what it has waited, without the current wait … */
  #waited = 0;
  /** … and the bytes that came in it. */
  #bytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param gone called once, when the client counts as gone */
  constructor(pace: BodyPace, gone: () => void) {
    this.#pace = pace;
    this.#gone = gone;
  }

  /** undefined while the client keeps the pace. */
  get stall(): Stall | undefined {
    return this.#stall;
  }

  /** From now on it is the client's turn. One timer serves many waits: most of them end at once. */
  waiting(): void {
    this.#since = performance.now();
    this.#timer ??= setTimeout(() => this.#look(), Math.max(0, this.#pace.idle - this.#waited));
  }

  received(bytes: number): void {
    if (this.#since !== undefined) this.#waited += performance.now() - this.#since;
    this.#since = undefined;
    this.#bytes += bytes;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    this.#timer = undefined;
    if (this.#judge() === undefined) this.#next();
    else this.#timer = setTimeout(() => this.#lookAgain(), SECOND_LOOK_MS);
  }

  #lookAgain(): void {
    this.#timer = undefined;
    const stall = this.#judge();
    if (stall === undefined) {
      this.#next();
      return;
    }
    this.#stall = stall;
    this.#gone();
  }

  #judge(): Stall | undefined {
    if (this.#since === undefined) return undefined;
    const { idle, minRate } = this.#pace;
    const wait = performance.now() - this.#since;
    if (wait >= idle) return 'silent';
    return this.#waited + wait >= idle && this.#bytes < (minRate * idle) / 1000 ? 'slow' : undefined;
  }

  /** Sets the timer for the end of the current wait or window; a window that has ended well is followed by a new one. */
  #next(): void {
    if (this.#since === undefined) return;
    const { idle } = this.#pace;
    const wait = performance.now() - this.#since;
    if (this.#waited + wait >= idle) {
      this.#waited = -wait;
      this.#bytes = 0;
    }
    this.#timer = setTimeout(() => this.#look(), idle - Math.max(wait, this.#waited + wait));
  }
}
