/** Releases a permit. Calls after the first one do nothing. */
export type Release = () => void;

interface Waiter {
  readonly grant: (release: Release) => void;
}

/** A fixed number of permits. If none is free, callers wait, and released permits go to the waiters in order of arrival. */
export class Semaphore {
  /** In order of arrival. */
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

  /** A permit, or undefined if none is free now. */
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
    // A permit is free only if no caller waits.
    const release = this.tryAcquire();
    if (release !== undefined) return release;
    const waiter: Waiter = { grant: resolve };
    const leave = (): void => {
      // The abort and the grant may happen in the same moment. A permit that was granted must then be released.
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
