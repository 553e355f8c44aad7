/** An event at a point of simulated time. */
interface Occurrence {
  at: number;
  /** Orders events at the same time: first scheduled, first run. */
  readonly order: number;
  readonly owner: Owner | undefined;
  readonly run: () => void;
  cancelled: boolean;
}

/** The process that a continuation belongs to: a dead one never continues, a hanging one continues later. */
export interface Owner {
  readonly isDead: boolean;
  /** The time until which it hangs; 0 if it does not. */
  readonly hangsUntil: number;
}

/** The latest time after which a process notices that it was woken. */
const LOOK_AGAIN_MS = 100;
/** A run with more steps than this is in an endless loop. */
const MAX_STEPS = 200_000;

/**
 * Simulated time, and the order of all events. The next event happens only after every continuation of the previous one has run as
 * far as it can. Everything that the code under test awaits is scheduled here.
 */
export class Scheduler {
  #heap: Occurrence[] = [];
  #now: number;
  #planned = 0;
  /** Continuations of processes that hang. */
  readonly #held = new Map<Owner, Occurrence[]>();
  #steps = 0;

  /** @param begin milliseconds */
  constructor(begin: number) {
    this.#now = begin;
  }

  get now(): number {
    return this.#now;
  }

  /** The number of events so far, which orders them. */
  get step(): number {
    return this.#steps;
  }

  /** @returns a function that cancels it */
  after(milliseconds: number, run: () => void, owner?: Owner): () => void {
    const occurrence = {
      at: this.#now + Math.max(0, milliseconds),
      order: this.#planned++,
      owner,
      run,
      cancelled: false,
    };
    this.#push(occurrence);
    return () => {
      occurrence.cancelled = true;
    };
  }

  sleep(milliseconds: number, owner?: Owner): Promise<void> {
    return new Promise((resolve) => {
      this.after(milliseconds, resolve, owner);
    });
  }

  /** Ends the hang of a process. @param isSudden its continuations run soon, each at a random time, instead of all at once */
  release(owner: Owner, isSudden = false): void {
    for (const occurrence of this.#held.get(owner) ?? []) {
      const late = this.#now - occurrence.at;
      occurrence.at = this.#now + (isSudden ? LOOK_AGAIN_MS - (late % LOOK_AGAIN_MS) : 0);
      this.#push(occurrence);
    }
    this.#held.delete(owner);
  }

  /**
   * Runs events in order until `isDone`.
   * @returns false if nothing is scheduled any more, or the time (milliseconds) is over
   */
  async run(isDone: () => boolean, until: number): Promise<boolean> {
    await settled();
    while (!isDone()) {
      const next = this.#pop();
      if (next === undefined) return false;
      if (next.at > until) {
        this.#push(next);
        return false;
      }
      const { owner } = next;
      if (next.cancelled || owner?.isDead === true) continue;
      if (owner !== undefined && owner.hangsUntil > next.at) {
        const held = this.#held.get(owner);
        if (held === undefined) this.#held.set(owner, [next]);
        else held.push(next);
        continue;
      }
      this.#now = Math.max(this.#now, next.at);
      if (++this.#steps > MAX_STEPS) throw new Error(`the simulation did not end after ${MAX_STEPS} steps`);
      next.run();
      await settled();
    }
    return true;
  }

  #push(occurrence: Occurrence): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(occurrence);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, occurrence)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = occurrence;
  }

  #pop(): Occurrence | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      let below = heap[child];
      const right = heap[child + 1];
      if (below !== undefined && right !== undefined && isBefore(right, below)) {
        below = right;
        child++;
      }
      if (below === undefined || !isBefore(below, last)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function isBefore(a: Occurrence, b: Occurrence): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Bun runs all microtasks, including those that others add, before the next immediate. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
