/** The pace that a client must keep while it sends a body. */
export interface BodyPace {
  /** Milliseconds of waiting without a byte after which the client is treated as gone. */
  readonly idle: number;
  /** Minimum bytes per second, averaged over `idle` milliseconds of waiting; 0: no minimum. */
  readonly minRate: number;
}

/** Why a client is treated as gone. */
export type Stall = 'silent' | 'slow';

/** When the event loop was blocked, timers fire before bytes that have already arrived are read. This delay lets those be read first. */
const RECHECK_MS = 10;

/**
 * Measures how long a client keeps us waiting for its body. Only time between `waiting` and `received` counts, because while we wait for
 * the disk or the store, back-pressure keeps the client from sending.
 */
export class ClientClock {
  readonly #pace: BodyPace;
  readonly #onGone: () => void;
  #stall: Stall | undefined;
  /** When the current wait began, undefined while there is none. */
  #since: number | undefined;
  /** Milliseconds waited in the current window, without the current wait. A window ends after `idle` milliseconds of waiting. */
  #waited = 0;
  /** Bytes received in the current window. */
  #bytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param onGone called at most once, when the client is treated as gone */
  constructor(pace: BodyPace, onGone: () => void) {
    this.#pace = pace;
    this.#onGone = onGone;
  }

  /** undefined while the client keeps the pace. */
  get stall(): Stall | undefined {
    return this.#stall;
  }

  /** Starts a wait. Most waits are short, so one timer serves many of them. */
  waiting(): void {
    this.#since = performance.now();
    this.#timer ??= setTimeout(() => this.#check(), Math.max(0, this.#pace.idle - this.#waited));
  }

  received(bytes: number): void {
    if (this.#since !== undefined) this.#waited += performance.now() - this.#since;
    this.#since = undefined;
    this.#bytes += bytes;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #check(): void {
    this.#timer = undefined;
    if (this.#currentStall() === undefined) this.#setTimer();
    else this.#timer = setTimeout(() => this.#recheck(), RECHECK_MS);
  }

  #recheck(): void {
    this.#timer = undefined;
    const stall = this.#currentStall();
    if (stall === undefined) {
      this.#setTimer();
      return;
    }
    this.#stall = stall;
    this.#onGone();
  }

  #currentStall(): Stall | undefined {
    if (this.#since === undefined) return undefined;
    const { idle, minRate } = this.#pace;
    const wait = performance.now() - this.#since;
    if (wait >= idle) return 'silent';
    return this.#waited + wait >= idle && this.#bytes < (minRate * idle) / 1000 ? 'slow' : undefined;
  }

  /** Sets the timer for the end of the current wait or window. Starts a new window if the last one is over. */
  #setTimer(): void {
    if (this.#since === undefined) return;
    const { idle } = this.#pace;
    const wait = performance.now() - this.#since;
    if (this.#waited + wait >= idle) {
      this.#waited = -wait;
      this.#bytes = 0;
    }
    this.#timer = setTimeout(() => this.#check(), idle - Math.max(wait, this.#waited + wait));
  }
}
