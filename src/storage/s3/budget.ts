/** Somebody who holds room for bytes that are still to come, and can put what it has somewhere else. */
export interface Holder {
  /** Room it would give back, 0 when it cannot now. */
  readonly reclaimable: number;
  /** When it last took bytes, in milliseconds. */
  readonly touchedAt: number;
  /** Gives its room back; never rejects. */
  spill(): Promise<void>;
}

interface Waiting {
  readonly bytes: number;
  readonly grant: () => void;
}

export interface BudgetPorts {
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** How long nobody may have got room before a holder is asked to give back what it fills too slowly. */
const STUCK_MS = 500;

/**
 * Room for the bytes of all uploads of this process. Who asks for more than there is waits, in turn. Parts that are being sent
 * come back by themselves; parts that wait for their client, or for more room, do not: while nobody gets any, the one that was
 * idle for the longest time is spilled.
 */
export class Budget {
  readonly #total: number;
  readonly #ports: BudgetPorts;
  readonly #holders = new Set<Holder>();
  readonly #queue: Waiting[] = [];
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
    return this.#queue.length;
  }

  join(holder: Holder): void {
    this.#holders.add(holder);
  }

  leave(holder: Holder): void {
    this.#holders.delete(holder);
  }

  /** @param bytes at most the whole budget */
  async take(bytes: number): Promise<void> {
    if (this.#queue.length === 0 && bytes <= this.#free) {
      this.#free -= bytes;
      return;
    }
    const granted = new Promise<void>((resolve) => {
      this.#queue.push({ bytes, grant: resolve });
    });
    void this.#relieve();
    await granted;
  }

  give(bytes: number): void {
    this.#free += bytes;
    for (let next = this.#queue[0]; next !== undefined && next.bytes <= this.#free; next = this.#queue[0]) {
      this.#queue.shift();
      this.#free -= next.bytes;
      this.#granted++;
      next.grant();
    }
  }

  close(): void {
    this.#closed.abort();
  }

  async #relieve(): Promise<void> {
    if (this.#relieving) return;
    this.#relieving = true;
    while (this.#queue.length > 0 && !this.#closed.signal.aborted) {
      const before = this.#granted;
      await this.#ports.sleep(STUCK_MS, this.#closed.signal);
      if (this.#queue.length > 0 && this.#granted === before) await this.#mostIdle()?.spill();
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
