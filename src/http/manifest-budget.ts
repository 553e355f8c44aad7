import { RegistryError } from '../oci/errors.ts';
import type { BodyPace } from './client-clock.ts';

export interface ManifestLimits {
  /** A client that is slower than this is treated as gone. */
  readonly pace: BodyPace;
  /** Milliseconds in which the whole body must arrive. */
  readonly deadline: number;
  /** Memory that all manifests in flight share. */
  readonly budget: ManifestBudget;
}

/** Times in milliseconds. */
export interface BudgetLimits {
  /** While others wait for memory, a body that has received no byte for this long is refused at once. */
  readonly stalled: number;
  /** When a body has waited for memory this long, those with a higher cost are refused, the costliest first. */
  readonly patience: number;
  /** A body that has waited for memory this long is refused. */
  readonly maxWait: number;
  /** Maximum waiting bodies; beyond it the largest is refused. Bun buffers over a megabyte of each that the budget cannot count. */
  readonly maxWaiting: number;
  /** Interval between checks while bodies wait. */
  readonly interval: number;
}

/** Of all budgets of a process together. */
export const MAX_WAITING_MANIFESTS = 32;

const LIMITS: BudgetLimits = {
  ...{ stalled: 1_000, patience: 1_000, maxWait: 10_000, interval: 100 },
  maxWaiting: MAX_WAITING_MANIFESTS,
};

interface Waiter {
  readonly hold: ManifestHold;
  readonly bytes: number;
  readonly since: number;
  readonly resolve: () => void;
}

/**
 * A budget of memory for the bodies of manifests. Bytes count when they arrive, not when they are announced, so a body that is announced
 * and never sent takes nothing from others. If the budget is used up, bodies wait. Memory is then freed by refusing the bodies with the
 * highest cost: bytes times the time they have waited for their client. A small manifest that arrives at once is never among these.
 */
export class ManifestBudget {
  readonly #holds = new Set<ManifestHold>();
  readonly #waiters = new Set<Waiter>();
  readonly #limits: BudgetLimits;
  #free: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param bytes at least the maximum size of one manifest
   * @param limits that differ from the usual ones
   */
  constructor(bytes: number, limits: Partial<BudgetLimits> = {}) {
    this.#free = bytes;
    this.#limits = { ...LIMITS, ...limits };
  }

  get free(): number {
    return this.#free;
  }

  /** @param refuse aborts the body with this error; called at most once, before the body is complete */
  open(refuse: (error: RegistryError) => void): ManifestHold {
    const hold = new ManifestHold(this, refuse);
    this.#holds.add(hold);
    return hold;
  }

  /** To be called by ManifestHold only. */
  reserve(hold: ManifestHold, bytes: number): Promise<void> | undefined {
    // The hold was refused in the meantime. The reader of its body finds that out next.
    if (!this.#holds.has(hold)) return undefined;
    if (bytes <= this.#free) {
      this.#grant(hold, bytes);
      return undefined;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.add({ hold, bytes, since: performance.now(), resolve });
    this.#freeMemory();
    if (this.#waiters.size > this.#limits.maxWaiting) this.#largest()?.refuse();
    return promise;
  }

  /** To be called by ManifestHold only. */
  release(hold: ManifestHold): void {
    if (!this.#holds.delete(hold)) return;
    this.#free += hold.bytes;
    for (const waiter of this.#waiters) {
      if (waiter.hold !== hold) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
    this.#grantAll();
  }

  #grant(hold: ManifestHold, bytes: number): void {
    this.#free -= bytes;
    hold.bytes += bytes;
  }

  /** Serves the smallest body first, so that manifests of the usual size do not wait behind large ones. */
  #grantAll(): void {
    const waiters = [...this.#waiters].sort((one, other) => sizeOf(one) - sizeOf(other));
    for (const waiter of waiters) {
      if (waiter.bytes > this.#free) continue;
      this.#waiters.delete(waiter);
      this.#grant(waiter.hold, waiter.bytes);
      waiter.resolve();
    }
  }

  #largest(): ManifestHold | undefined {
    const waiters = [...this.#waiters].sort((one, other) => sizeOf(other) - sizeOf(one));
    return waiters[0]?.hold;
  }

  #freeMemory(): void {
    const { stalled, patience, maxWait, interval } = this.#limits;
    const now = performance.now();
    this.#refuseWhile(
      (hold) => now - hold.lastByte >= stalled,
      () => this.#waiters.size > 0,
    );
    for (const waiter of [...this.#waiters]) {
      const waited = now - waiter.since;
      if (waited >= maxWait) waiter.hold.refuse();
      else if (waited >= patience) {
        const cost = waiter.hold.cost(now);
        this.#refuseWhile(
          (hold) => hold.cost(now) > cost,
          () => this.#waiters.has(waiter),
        );
      }
    }
    clearTimeout(this.#timer);
    this.#timer = this.#waiters.size > 0 ? setTimeout(() => this.#freeMemory(), interval) : undefined;
  }

  /** Refuses incomplete bodies, the costliest first, as long as `isNeeded`. */
  #refuseWhile(isCandidate: (hold: ManifestHold) => boolean, isNeeded: () => boolean): void {
    const now = performance.now();
    const candidates = [...this.#holds].filter((hold) => hold.isReceiving && hold.bytes > 0 && isCandidate(hold));
    candidates.sort((one, other) => other.cost(now) - one.cost(now));
    for (const hold of candidates) {
      if (!isNeeded()) return;
      hold.refuse();
    }
  }
}

function sizeOf({ hold, bytes }: Waiter): number {
  return hold.bytes + bytes;
}

/** The reserved memory of one body, until it is released. */
export class ManifestHold {
  /** Reserved bytes. */
  bytes = 0;
  /** When the last bytes of the client had been added. */
  #lastByte = performance.now();
  /** Milliseconds spent waiting for the client. */
  #waited = 0;
  #isReceiving = true;
  #isWaitingForMemory = false;
  readonly #budget: ManifestBudget;
  readonly #refuse: (error: RegistryError) => void;

  constructor(budget: ManifestBudget, refuse: (error: RegistryError) => void) {
    this.#budget = budget;
    this.#refuse = refuse;
  }

  /** Whether the body is incomplete. Only then can it be refused. */
  get isReceiving(): boolean {
    return this.#isReceiving;
  }

  /** When the client last sent something. While the body waits for memory, the client is not to blame: then it is now. */
  get lastByte(): number {
    return this.#isWaitingForMemory ? performance.now() : this.#lastByte;
  }

  /** Reserved bytes times the milliseconds spent waiting for the client. */
  cost(now: number): number {
    return this.bytes * (this.#waited + (this.#isWaitingForMemory ? 0 : now - this.#lastByte));
  }

  /** Reserves memory for bytes that have arrived. Resolves when they fit into the budget, or the body was refused. */
  async add(bytes: number): Promise<void> {
    this.#waited += performance.now() - this.#lastByte;
    this.#isWaitingForMemory = true;
    try {
      await this.#budget.reserve(this, bytes);
    } finally {
      this.#isWaitingForMemory = false;
      this.#lastByte = performance.now();
    }
  }

  /** The whole body has arrived. */
  complete(): void {
    this.#isReceiving = false;
  }

  refuse(): void {
    if (!this.#isReceiving) return;
    this.#isReceiving = false;
    this.#refuse(
      new RegistryError(
        'too-many-requests',
        'too many manifests are being pushed, and this one arrived more slowly than others: try again later',
      ),
    );
    this.release();
  }

  release(): void {
    this.#budget.release(this);
  }
}
