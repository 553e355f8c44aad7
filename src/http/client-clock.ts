/** The pace that a client must keep while it sends a body. */
export interface BodyPace {
  /** Milliseconds of waiting without a byte after which the client is treated as gone. */
  readonly idle: number;
  /** Minimum bytes per second, averaged over `idle` milliseconds of waiting; 0: none. */
  readonly minRate: number;
}

/** Why a client is treated as gone. */
export type Stall = 'silent' | 'slow';

/** After a busy period timers fire before the bytes that arrived meanwhile are read. This gives those bytes a chance. */
const SECOND_LOOK_MS = 10;

/**
 * Measures how long a client keeps us waiting for its body. Only time between `waiting` and `received` counts: while we wait for the
 * disk or the store, back-pressure keeps the client from sending.
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

  /** @param gone called once, when the client is treated as gone */
  constructor(pace: BodyPace, gone: () => void) {
    this.#pace = pace;
    this.#gone = gone;
  }

  /** undefined while the client keeps the pace. */
  get stall(): Stall | undefined {
    return this.#stall;
  }

  /** Starts a wait. One timer serves many waits, as most of them end at once. */
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

  /** Sets the timer for the end of the current wait or window, and starts a new window if the last one is over. */
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
