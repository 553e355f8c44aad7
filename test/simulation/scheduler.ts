/** Something that happens at a moment of the simulated time. */
interface Occurrence {
  at: number;
  /** Of two at the same moment, the one that was planned first comes first. */
  readonly order: number;
  readonly owner: Owner | undefined;
  readonly run: () => void;
  cancelled: boolean;
}

/** Whose continuation it is: what is planned for somebody who died never happens, and waits for somebody who hangs. */
export interface Owner {
  readonly isDead: boolean;
  /** Moment until which it hangs; 0 when it does not. */
  readonly hangsUntil: number;
}

/** How late somebody notices that it was woken, at most. */
const LOOK_AGAIN_MS = 100;
/** More than this between the beginning and the end means that something runs in circles. */
const MOST_STEPS = 200_000;

/**
 * The simulated time, and the order in which everything happens. One thing happens at a time: only once every continuation of it
 * has run as far as it can, the next one does. All that the code under test waits for comes from here.
 */
export class Scheduler {
  #heap: Occurrence[] = [];
  #now: number;
  #planned = 0;
  /** What waits for somebody who hangs. */
  readonly #held = new Map<Owner, Occurrence[]>();
  #steps = 0;

  /** @param begin milliseconds */
  constructor(begin: number) {
    this.#now = begin;
  }

  get now(): number {
    return this.#now;
  }

  /** How many things have happened: tells what was before what. */
  get step(): number {
    return this.#steps;
  }

  /** @returns takes it back */
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

  /** Somebody hangs no longer. @param isSudden what waited for that does not happen all at once, but soon, each thing at its time */
  release(owner: Owner, isSudden = false): void {
    for (const occurrence of this.#held.get(owner) ?? []) {
      const late = this.#now - occurrence.at;
      occurrence.at = this.#now + (isSudden ? LOOK_AGAIN_MS - (late % LOOK_AGAIN_MS) : 0);
      this.#push(occurrence);
    }
    this.#held.delete(owner);
  }

  /**
   * Lets things happen, one after the other, until it is done.
   * @returns false when nothing is left to happen, or the time (milliseconds) is over
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
      if (++this.#steps > MOST_STEPS) throw new Error(`the simulation did not end after ${MOST_STEPS} steps`);
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

/** Bun runs every microtask, also those that others add, before the next immediate. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
