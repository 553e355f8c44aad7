/** How often it is measured, in milliseconds. */
const EVERY_MS = 20;
/** The part of a measurement in the average, which so follows within about a fifth of a second. */
const WEIGHT = 0.1;
/** Measuring ends when nobody has asked for this long, in milliseconds. */
const UNASKED_MS = 2_000;

export interface LoopClock {
  /** Milliseconds, of a clock that is never set back. */
  readonly now: () => number;
  /** Calls `run` once, at the earliest after this time, in milliseconds. It keeps no process alive. */
  readonly after: (milliseconds: number, run: () => void) => void;
}

const THREAD: LoopClock = {
  now: () => performance.now(),
  after: (milliseconds, run) => void setTimeout(run, milliseconds).unref(),
};

/** How late this thread's timers are, as is everything that waits for the thread. It is measured only while somebody asks. */
export class LoopDelay {
  readonly #clock: LoopClock;
  #average = 0;
  #askedAt = Number.NEGATIVE_INFINITY;
  #isMeasuring = false;

  constructor(clock = THREAD) {
    this.#clock = clock;
  }

  /** Milliseconds, on average over the last fraction of a second; 0 at first. */
  get average(): number {
    this.#askedAt = this.#clock.now();
    if (!this.#isMeasuring) this.#measure();
    return this.#average;
  }

  #measure(): void {
    const { now, after } = this.#clock;
    this.#isMeasuring = true;
    const due = now() + EVERY_MS;
    after(EVERY_MS, () => {
      const delay = Math.max(0, now() - due);
      this.#average += (delay - this.#average) * WEIGHT;
      if (now() - this.#askedAt < UNASKED_MS) this.#measure();
      else [this.#average, this.#isMeasuring] = [0, false];
    });
  }
}
