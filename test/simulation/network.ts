import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';

/** The frequency of faults, and the latencies. */
export interface NetworkFaults {
  /** The usual maximum of an answer's latency, in milliseconds. */
  readonly latency: number;
  /** Shares of requests: those that are lost, those whose answer is lost, those that take seconds. */
  readonly lost: number;
  readonly unanswered: number;
  readonly slow: number;
  /** The share of requests to S3 with a transient refusal. */
  readonly refused: number;
}

/** The latencies of a request and of its answer; undefined: it never arrives. */
export interface Way {
  readonly there: number | undefined;
  readonly back: number | undefined;
}

/** Longer than any deadline of a client of Redis or S3: its request then arrives as a ghost. */
const GHOST_MS = 30_000;

/** Decides for each request when it arrives and when its answer does. */
export class Network {
  readonly #random: Random;
  readonly #scheduler: Scheduler;
  #networkFaults: NetworkFaults;
  #storeAwayUntil = 0;
  #delay = 0;

  constructor(random: Random, scheduler: Scheduler, networkFaults: NetworkFaults) {
    this.#random = random;
    this.#scheduler = scheduler;
    this.#networkFaults = networkFaults;
  }

  /** Ends all faults. */
  calm(): void {
    this.#networkFaults = { ...this.#networkFaults, lost: 0, unanswered: 0, slow: 0, refused: 0 };
    this.#storeAwayUntil = 0;
    this.#delay = 0;
  }

  /** No request reaches the store for this time. */
  loseStore(milliseconds: number): void {
    this.#storeAwayUntil = this.#scheduler.now + milliseconds;
  }

  /** The next request to the store takes this much longer to arrive. */
  delayNext(milliseconds: number): void {
    this.#delay = milliseconds;
  }

  toRedis(): Way {
    return this.#way(1);
  }

  toStore(): Way & { readonly refused: boolean } {
    const way = this.#way(4);
    const refused = this.#random.chance(this.#networkFaults.refused);
    const delay = this.#delay;
    this.#delay = 0;
    if (this.#storeAwayUntil > this.#scheduler.now || way.there === undefined) {
      return { there: undefined, back: undefined, refused };
    }
    return { there: way.there + delay, back: way.back, refused };
  }

  #way(times: number): Way {
    const { latency, lost, unanswered, slow } = this.#networkFaults;
    const random = this.#random;
    const luck = random.next();
    const [there, back] = [random.next() * latency * times, random.next() * latency * times];
    if (luck < lost) return { there: undefined, back: undefined };
    if (luck < lost + unanswered) return { there, back: undefined };
    if (luck < lost + unanswered + slow) {
      const late = random.next() ** 2 * GHOST_MS;
      return random.chance(0.7) ? { there: late, back } : { there, back: late };
    }
    return { there, back };
  }
}
