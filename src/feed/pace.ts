import { setImmediate as immediate } from 'node:timers/promises';

/** How long the work for one page may take, in milliseconds. */
const MAX_PAGE_MS = 5_000;
/** How long it may run without a turn for other requests, in milliseconds. */
const MAX_TURN_MS = 5;

/** Limits the time that the work for one page takes, from when this is made, whatever that work finds. */
export class Pace {
  readonly #signal: AbortSignal;
  readonly #deadline = performance.now() + MAX_PAGE_MS;
  #turn = performance.now();

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Whether the page has to end with what it has. */
  get isLate(): boolean {
    return performance.now() >= this.#deadline;
  }

  /** Lets other requests run if it is their turn. Called often. @throws the reason of the signal once that is aborted */
  async yield(): Promise<void> {
    this.#signal.throwIfAborted();
    if (performance.now() - this.#turn < MAX_TURN_MS) return;
    await immediate();
    this.#turn = performance.now();
    this.#signal.throwIfAborted();
  }
}
