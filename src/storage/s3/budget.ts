import { Unanswered } from '../../oci/errors.ts';

/** Holds memory for bytes that are still to come, and can move the bytes it has to the store. */
export interface Holder {
  /** Bytes of memory that a spill would release; 0 while it cannot spill. */
  readonly reclaimable: number;
  /** When it last took bytes, in milliseconds. */
  readonly touchedAt: number;
  /** Stores its bytes and releases its memory; never rejects. */
  spill(): Promise<void>;
}

interface Waiter {
  readonly bytes: number;
  readonly grant: () => void;
}

export interface BudgetPorts {
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** No memory became free in time, because the store takes parts more slowly than clients send them. */
class NoRoom extends Unanswered {
  override readonly name = 'NoRoom';
}

/** After this long without a grant to any waiter, a holder that fills its memory too slowly is spilled. */
const STUCK_MS = 500;
/** As long as sending a part may take: by then every part that holds memory now is sent or has failed. */
const MAX_WAIT_MS = 180_000;

/**
 * The memory for the bytes of all uploads of this process. A request for more than is free waits, first come, first served. Parts in
 * flight release their memory when they are sent. Parts that wait for their client or for more memory do not, so while no waiter is
 * granted any, the holder that has been idle for the longest time is spilled.
 */
export class Budget {
  readonly #total: number;
  readonly #ports: BudgetPorts;
  readonly #holders = new Set<Holder>();
  /** In order of arrival. */
  readonly #waiters = new Set<Waiter>();
  readonly #closed = new AbortController();
  #free: number;
  #granted = 0;
  #relieving = false;

  constructor(total: number, ports: BudgetPorts) {
    this.#total = total;
    this.#free = total;
    this.#ports = ports;
  }

  /** Bytes that are held now. */
  get held(): number {
    return this.#total - this.#free;
  }

  /** Number of requests that wait for memory. */
  get waiting(): number {
    return this.#waiters.size;
  }

  join(holder: Holder): void {
    this.#holders.add(holder);
  }

  leave(holder: Holder): void {
    this.#holders.delete(holder);
  }

  /**
   * @param bytes at most the whole budget
   * @param signal of the client that sends the bytes: ends a wait, and with it the place in the queue. Memory that is free is granted
   * even after it is aborted
   * @throws the signal's reason; NoRoom if the wait was too long
   */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    if (this.#waiters.size === 0 && bytes <= this.#free) {
      this.#free -= bytes;
      return;
    }
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { bytes, grant: resolve };
    const leave = (reason: unknown): void => {
      if (!this.#waiters.delete(waiter)) return;
      reject(reason);
      // The others may have been waiting behind this one.
      this.#serve();
    };
    const leaveWithClient = (): void => leave(signal?.reason);
    const over = new AbortController();
    this.#waiters.add(waiter);
    signal?.addEventListener('abort', leaveWithClient);
    void this.#ports
      .sleep(MAX_WAIT_MS, over.signal)
      .then(() => leave(new NoRoom(`no memory for an upload became free within ${MAX_WAIT_MS / 1000} s`)));
    void this.#relieve();
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', leaveWithClient);
      over.abort();
    }
  }

  give(bytes: number): void {
    this.#free += bytes;
    this.#serve();
  }

  #serve(): void {
    for (const waiter of this.#waiters) {
      if (waiter.bytes > this.#free) return;
      this.#waiters.delete(waiter);
      this.#free -= waiter.bytes;
      this.#granted++;
      waiter.grant();
    }
  }

  close(): void {
    this.#closed.abort();
  }

  async #relieve(): Promise<void> {
    if (this.#relieving) return;
    this.#relieving = true;
    while (this.#waiters.size > 0 && !this.#closed.signal.aborted) {
      const before = this.#granted;
      await this.#ports.sleep(STUCK_MS, this.#closed.signal);
      if (this.#waiters.size > 0 && this.#granted === before) await this.#mostIdle()?.spill();
    }
    this.#relieving = false;
  }

  #mostIdle(): Holder | undefined {
    let found: Holder | undefined;
    for (const holder of this.#holders) {
      if (holder.reclaimable > 0 && (found === undefined || holder.touchedAt < found.touchedAt)) found = holder;
    }
    return found;
  }
}
