import { setImmediate as immediate } from 'node:timers/promises';

/** How long the work for one page may take, in milliseconds. */
const MAX_PAGE_MS = 5_000;
/** How long pages may run without a turn for other requests, in milliseconds. */
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

/**
 * The turns of the pages that one process reads at the same time. In each turn of the event loop one page goes on, so a thousand pages
 * at once delay other requests no more than one does.
 */
export class Turns {
  readonly #time: PageTime;
  readonly #waiting: (() => void)[] = [];
  #began = Number.NEGATIVE_INFINITY;
  #isServing = false;

  constructor(time: PageTime) {
    this.#time = time;
  }

  /** Whether whatever runs now has run long enough. */
  get isOver(): boolean {
    return this.#time.now() - this.#began >= MAX_TURN_MS;
  }

  /** Resolves when it is this page's turn: in the order of the calls. */
  async next(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    if (!this.#isServing) void this.#serve();
    await promise;
  }

  async #serve(): Promise<void> {
    this.#isServing = true;
    while (this.#waiting.length > 0) {
      await this.#time.nextTurn();
      this.#began = this.#time.now();
      this.#waiting.shift()?.();
    }
    this.#isServing = false;
  }
}

/** Limits the time that the work for one page takes, from when this is made, whatever that work finds. */
export class Pace {
  readonly #signal: AbortSignal;
  readonly #time: PageTime;
  readonly #turns: Turns;
  readonly #deadline: number;

  constructor(signal: AbortSignal, time: PageTime, turns: Turns) {
    this.#signal = signal;
    this.#time = time;
    this.#turns = turns;
    this.#deadline = time.now() + MAX_PAGE_MS;
  }

  /** Whether the page has to end with what it has. */
  get isLate(): boolean {
    return this.#time.now() >= this.#deadline;
  }

  /** Lets other requests and pages run if it is their turn. Called often. @throws the reason of the signal once that is aborted */
  async yield(): Promise<void> {
    this.#signal.throwIfAborted();
    if (!this.#turns.isOver) return;
    await this.#turns.next();
    this.#signal.throwIfAborted();
  }
}
