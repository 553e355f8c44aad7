import { setImmediate as immediate } from 'node:timers/promises';

/** How long the work for one page may take, in milliseconds. */
const MAX_PAGE_MS = 5_000;
/** How long it may run without a turn for other requests, in milliseconds. */
const MAX_TURN_MS = 5;

/** What a pace measures time by. The simulation replaces it: a run must not depend on how fast the machine is. */
export interface PageTime {
  /** Milliseconds since any fixed time. */
  readonly now: () => number;
  /** Lets everything run that waits for its turn. */
  readonly nextTurn: () => Promise<void>;
}

export const PROCESS_TIME: PageTime = {
  now: () => performance.now(),
  nextTurn: () => immediate(),
};

/** Limits the time that the work for one page takes, from when this is made, whatever that work finds. */
export class Pace {
  readonly #signal: AbortSignal;
  readonly #time: PageTime;
  readonly #deadline: number;
  #turn: number;

  constructor(signal: AbortSignal, time: PageTime) {
    this.#signal = signal;
    this.#time = time;
    this.#turn = time.now();
    this.#deadline = this.#turn + MAX_PAGE_MS;
  }

  /** Whether the page has to end with what it has. */
  get isLate(): boolean {
    return this.#time.now() >= this.#deadline;
  }

  /** Lets other requests run if it is their turn. Called often. @throws the reason of the signal once that is aborted */
  async yield(): Promise<void> {
    this.#signal.throwIfAborted();
    if (this.#time.now() - this.#turn < MAX_TURN_MS) return;
    await this.#time.nextTurn();
    this.#turn = this.#time.now();
    this.#signal.throwIfAborted();
  }
}
