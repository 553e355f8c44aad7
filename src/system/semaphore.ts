/** Gives a permit back. Calls after the first one do nothing. */
export type Release = () => void;

interface Waiter {
  readonly grant: (release: Release) => void;
}

/** A number of permits. Whoever finds none waits; permits that come back go to the waiters in the order of their arrival. */
export class Semaphore {
  /** In the order of their arrival. */
  readonly #waiters = new Set<Waiter>();
  #free: number;

  constructor(permits: number) {
    this.#free = permits;
  }

  get free(): number {
    return this.#free;
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  /** A permit, or undefined where none is free now. */
  tryAcquire(): Release | undefined {
    if (this.#free === 0) return undefined;
    this.#free--;
    return this.#permit();
  }

  /**
   * A permit, as soon as it is this caller's turn.
   * @param signal ends the wait, and with it the place in the queue: a deadline, or a client that left
   * @throws the signal's reason
   */
  async acquire(signal?: AbortSignal): Promise<Release> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Release>();
    // Permits are free only while nobody waits.
    const release = this.tryAcquire();
    if (release !== undefined) return release;
    const waiter: Waiter = { grant: resolve };
    const leave = (): void => {
      // It may have been granted a permit in the same moment: then it has one, and gives it back.
      if (this.#waiters.delete(waiter)) reject(signal?.reason);
    };
    signal?.addEventListener('abort', leave);
    this.#waiters.add(waiter);
    try {
      return await promise;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  #permit(): Release {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const [next] = this.#waiters;
      if (next === undefined) {
        this.#free++;
        return;
      }
      this.#waiters.delete(next);
      next.grant(this.#permit());
    };
  }
}
