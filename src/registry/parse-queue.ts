import { RegistryError } from '../oci/errors.ts';
import type { Steps } from '../oci/strict-json.ts';
import type { Answer } from '../projection/projection.ts';

/** How long parsing may hold the thread in one turn of the event loop. The last step may add about 20 ms. */
const SLICE_MS = 4;
/** A manifest that has waited this long goes before smaller ones. */
const MAX_PASSED_MS = 2_000;
/** A manifest that has waited this long is refused. */
const MAX_WAIT_MS = 10_000;

interface Waiting {
  readonly size: number;
  readonly since: number;
  /** Runs steps until the slice is used up. @returns whether the work is done */
  readonly goOn: () => boolean;
  readonly reject: (error: unknown) => void;
}

export interface ParseQueueTimes {
  /** Milliseconds, of a clock that never goes back. */
  readonly now: () => number;
  readonly sleep: (milliseconds: number) => Promise<void>;
}

/**
 * Parses manifests on the thread that serves all requests. Nearly all are small and are parsed at once. Once parsing has used its
 * time slice in one turn of the event loop, further manifests wait. They are parsed one at a time, the smallest first, and after
 * each slice the thread is left to other requests for as long as the slice took. So a client that sends expensive manifests gets at
 * most half of the thread.
 */
export class ParseQueue {
  readonly #times: ParseQueueTimes;
  readonly #waiting: Waiting[] = [];
  #isRunning = false;
  /** Milliseconds of this turn spent on parsing. */
  #used = 0;

  constructor(times: ParseQueueTimes) {
    this.#times = times;
  }

  /**
   * Runs the work, synchronously if nothing is waiting and it fits into the slice.
   * @param size of the manifest in bytes
   * @throws any error of the steps; RegistryError `too-many-requests` if the work waited too long
   */
  run<T>(size: number, steps: Steps<T>): Answer<T> {
    if (this.#isRunning || this.#used >= SLICE_MS) {
      const { waiting, promise } = this.#waitingFor(size, steps);
      this.#waiting.push(waiting);
      if (!this.#isRunning) void this.#runAll(undefined);
      return promise;
    }
    const done = this.#slice(steps);
    if (done !== undefined) return done.value;
    const { waiting, promise } = this.#waitingFor(size, steps);
    void this.#runAll(waiting);
    return promise;
  }

  /** @returns undefined if the slice was used up before the work was done */
  #slice<T>(steps: Steps<T>): { readonly value: T } | undefined {
    const begun = this.#times.now();
    const before = this.#used;
    if (before === 0) this.#startTurn();
    try {
      for (;;) {
        const step = steps.next();
        this.#used = before + this.#times.now() - begun;
        if (step.done === true) return { value: step.value };
        if (this.#used >= SLICE_MS) return undefined;
      }
    } finally {
      this.#used = before + this.#times.now() - begun;
    }
  }

  #startTurn(): void {
    if (this.#isRunning) return;
    setImmediate(() => {
      if (!this.#isRunning) this.#used = 0;
    });
  }

  #waitingFor<T>(size: number, steps: Steps<T>): { readonly waiting: Waiting; readonly promise: Promise<T> } {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const goOn = (): boolean => {
      try {
        const done = this.#slice(steps);
        if (done === undefined) return false;
        resolve(done.value);
      } catch (error) {
        reject(error);
      }
      return true;
    };
    return { waiting: { size, since: this.#times.now(), goOn, reject }, promise };
  }

  /** @param begun a manifest that is partly parsed */
  async #runAll(begun: Waiting | undefined): Promise<void> {
    this.#isRunning = true;
    for (let current = begun; ; ) {
      await this.#times.sleep(this.#used);
      this.#used = 0;
      do {
        current ??= this.#next();
        if (current?.goOn() === true) current = undefined;
      } while (this.#used < SLICE_MS && (current !== undefined || this.#waiting.length > 0));
      if (current === undefined && this.#waiting.length === 0) break;
    }
    this.#isRunning = false;
    if (this.#used > 0) this.#startTurn();
  }

  #next(): Waiting | undefined {
    const now = this.#times.now();
    // The waiting manifests are in order of arrival.
    for (;;) {
      const oldest = this.#waiting[0];
      if (oldest === undefined) return undefined;
      const waited = now - oldest.since;
      if (waited <= MAX_WAIT_MS) {
        const index = waited > MAX_PASSED_MS ? 0 : this.#indexOfSmallest();
        return this.#waiting.splice(index, 1)[0];
      }
      this.#waiting.shift();
      oldest.reject(
        new RegistryError('too-many-requests', 'too many large manifests are being pushed: try again later'),
      );
    }
  }

  #indexOfSmallest(): number {
    let smallest = 0;
    for (const [index, { size }] of this.#waiting.entries()) {
      if (size < (this.#waiting[smallest]?.size ?? 0)) smallest = index;
    }
    return smallest;
  }
}
