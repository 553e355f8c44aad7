/** Returns the permit. Calls after the first do nothing. */
export type Release = () => void;

interface Waiter {
  readonly grant: (release: Release) => void;
  readonly refuse: (reason: unknown) => void;
}

/** A waiting request was refused, so that another client's could wait. */
export class Displaced extends Error {
  override readonly name = 'Displaced';
}

/**
 * A fixed number of permits. Waiting clients take turns, and each client's requests are served in the order of arrival. So a client
 * with many requests delays another client by one of them, not by all.
 */
export class FairSemaphore {
  /** The client whose turn is next comes first. No queue is empty. */
  readonly #queues = new Map<string, Set<Waiter>>();
  #free: number;
  #waiting = 0;

  constructor(permits: number) {
    this.#free = permits;
  }

  /** Number of waiting requests of all clients. */
  get waiting(): number {
    return this.#waiting;
  }

  waitingOf(client: string): number {
    return this.#queues.get(client)?.size ?? 0;
  }

  /** A permit, or undefined if none is free. */
  tryAcquire(): Release | undefined {
    // No permit is free while a request waits.
    if (this.#free === 0) return undefined;
    this.#free--;
    return this.#permit();
  }

  /**
   * Refuses the last request of the client with the most, so that a request of this client can wait in its place. So clients that
   * together fill a bounded queue cannot keep another one out.
   * @returns false if no other client has at least two requests more
   */
  makeRoom(client: string): boolean {
    let [longest, most] = ['', this.waitingOf(client) + 1];
    for (const [each, { size }] of this.#queues) if (size > most) [longest, most] = [each, size];
    const last = [...(this.#queues.get(longest) ?? [])].at(-1);
    if (last === undefined) return false;
    this.#remove(longest, last);
    last.refuse(new Displaced());
    return true;
  }

  /**
   * Resolves with a permit when it is this request's turn.
   * @param signal ends the wait and leaves the queue
   * @throws the signal's reason; Displaced
   */
  async acquire(client: string, signal: AbortSignal): Promise<Release> {
    signal.throwIfAborted();
    const free = this.tryAcquire();
    if (free !== undefined) return free;
    const { promise, resolve, reject } = Promise.withResolvers<Release>();
    const waiter: Waiter = { grant: resolve, refuse: reject };
    const leave = (): void => {
      // If the permit has just been granted, the caller gets it and must release it.
      if (this.#remove(client, waiter)) reject(signal.reason);
    };
    signal.addEventListener('abort', leave);
    this.#add(client, waiter);
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  #permit(): Release {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const next = this.#next();
      if (next === undefined) this.#free++;
      else next.grant(this.#permit());
    };
  }

  #next(): Waiter | undefined {
    for (const [client, queue] of this.#queues) {
      // The client goes to the end with its remaining requests.
      this.#queues.delete(client);
      const [first, ...rest] = queue;
      if (rest.length > 0) this.#queues.set(client, new Set(rest));
      if (first === undefined) continue;
      this.#waiting--;
      return first;
    }
    return undefined;
  }

  #add(client: string, waiter: Waiter): void {
    const queue = this.#queues.get(client) ?? new Set();
    queue.add(waiter);
    this.#queues.set(client, queue);
    this.#waiting++;
  }

  #remove(client: string, waiter: Waiter): boolean {
    const queue = this.#queues.get(client);
    if (queue === undefined || !queue.delete(waiter)) return false;
    if (queue.size === 0) this.#queues.delete(client);
    this.#waiting--;
    return true;
  }
}
