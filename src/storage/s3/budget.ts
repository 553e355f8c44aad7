import { Unanswered } from '../../oci/errors.ts';

/** Holds room for bytes that are still to come, and can write what it has somewhere else. */
export interface Holder {
  /** Bytes of room that it would give back, 0 while it cannot. */
  readonly reclaimable: number;
  /** When it last took bytes, in milliseconds. */
  readonly touchedAt: number;
  /** Gives its room back; never rejects. */
  spill(): Promise<void>;
}

interface Waiter {
  readonly bytes: number;
  readonly grant: () => void;
}

export interface BudgetPorts {
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** Nobody got room in time: the store takes parts more slowly than clients send them. */
class NoRoom extends Unanswered {
  override readonly name = 'NoRoom';
}

/** After so long without a grant to anybody, a holder that fills its room too slowly is asked to give it back. */
const STUCK_MS = 500;
/** As long as a part may take: what holds the room now is sent or given up by then. */
const MAX_WAIT_MS = 180_000;

/**
 * Room for the bytes of all uploads of this process. If you ask for more than is free you wait, first come, first served. Parts in
 * flight give their room back by themselves; parts that wait for their client, or for more room, do not: while nobody gets any, the
 * one that was idle for the longest time is spilled.
 */
export class Budget {
  readonly #total: number;
  readonly #ports: BudgetPorts;
  readonly #holders = new Set<Holder>();
  /** In the order of their arrival. */
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

  /** Requests that wait for room. */
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
   * @param signal of the client that the bytes come from: ends a wait, and with it the place in the queue. Bytes that have come get
   * the room that is free
   * @throws the signal's reason; NoRoom when the wait was too long
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
      // It may have been the one that the others waited behind.
      this.#serve();
    };
    const leaveWithClient = (): void => leave(signal?.reason);
    const over = new AbortController();
    this.#waiters.add(waiter);
    signal?.addEventListener('abort', leaveWithClient);
    void this.#ports
      .sleep(MAX_WAIT_MS, over.signal)
      .then(() => leave(new NoRoom(`no room for an upload became free within ${MAX_WAIT_MS / 1000} s`)));
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
