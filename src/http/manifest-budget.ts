import { RegistryError } from '../oci/errors.ts';
import type { BodyPace } from './client-clock.ts';

export interface ManifestLimits {
  /** A client that is slower than this counts as gone. */
  readonly pace: BodyPace;
  /** Milliseconds for all of it to come. */
  readonly deadline: number;
  /** Memory for all manifests that are being pushed. */
  readonly budget: ManifestBudget;
}

/** Times in milliseconds. */
export interface BudgetLimits {
  /** Where there is no room, a body that brought no byte for so long is refused at once … */
  readonly stalled: number;
  /** … and others, the one that has cost the most first, when somebody has waited for so long. */
  readonly patience: number;
  /** A body that has waited for room for so long is refused. */
  readonly maxWait: number;
  /** Bodies that wait. One more and the biggest is refused: of each, Bun buffers more than a megabyte that we cannot count. */
  readonly maxWaiting: number;
  /** How often bodies are looked at while others wait. */
  readonly interval: number;
}

const LIMITS: BudgetLimits = { stalled: 1_000, patience: 1_000, maxWait: 10_000, maxWaiting: 32, interval: 100 };

interface Wish {
  readonly hold: ManifestHold;
  readonly bytes: number;
  readonly since: number;
  readonly resolve: () => void;
}

/**
 * Memory for the bodies of manifests, counted as their bytes come, not as they are announced: a body that is announced and never
 * sent takes nothing from others. Where there is no room a body waits. Room is made by refusing the slowest: those whose
 * clients have let the most bytes lie for the longest time. A small manifest that comes at once is never among them.
 */
export class ManifestBudget {
  readonly #holds = new Set<ManifestHold>();
  readonly #wishes = new Set<Wish>();
  readonly #limits: BudgetLimits;
  #free: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param bytes at least what one manifest may have */
  constructor(bytes: number, limits = LIMITS) {
    this.#free = bytes;
    this.#limits = limits;
  }

  get free(): number {
    return this.#free;
  }

  /** @param refuse ends the body with this error; called at most once, while it still comes */
  open(refuse: (error: RegistryError) => void): ManifestHold {
    const hold = new ManifestHold(this, refuse);
    this.#holds.add(hold);
    return hold;
  }

  /** For its holds only. */
  take(hold: ManifestHold, bytes: number): Promise<void> | undefined {
    // Refused meanwhile: the reader of its body finds that out next.
    if (!this.#holds.has(hold)) return undefined;
    if (bytes <= this.#free) {
      this.#grant(hold, bytes);
      return undefined;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wishes.add({ hold, bytes, since: performance.now(), resolve });
    this.#makeRoom();
    if (this.#wishes.size > this.#limits.maxWaiting) this.#biggest()?.refuse();
    return promise;
  }

  /** For its holds only. */
  giveBack(hold: ManifestHold): void {
    if (!this.#holds.delete(hold)) return;
    this.#free += hold.bytes;
    for (const wish of this.#wishes) {
      if (wish.hold !== hold) continue;
      this.#wishes.delete(wish);
      wish.resolve();
    }
    this.#grantAll();
  }

  #grant(hold: ManifestHold, bytes: number): void {
    this.#free -= bytes;
    hold.bytes += bytes;
  }

  /** The smallest first: a manifest of usual size need not wait behind big ones. */
  #grantAll(): void {
    const wishes = [...this.#wishes].sort((one, other) => sizeOf(one) - sizeOf(other));
    for (const wish of wishes) {
      if (wish.bytes > this.#free) continue;
      this.#wishes.delete(wish);
      this.#grant(wish.hold, wish.bytes);
      wish.resolve();
    }
  }

  #biggest(): ManifestHold | undefined {
    const wishes = [...this.#wishes].sort((one, other) => sizeOf(other) - sizeOf(one));
    return wishes[0]?.hold;
  }

  #makeRoom(): void {
    const { stalled, patience, maxWait, interval } = this.#limits;
    const now = performance.now();
    this.#refuseWhile(
      (hold) => now - hold.lastByte >= stalled,
      () => this.#wishes.size > 0,
    );
    for (const wish of [...this.#wishes]) {
      const waited = now - wish.since;
      if (waited >= maxWait) wish.hold.refuse();
      else if (waited >= patience) {
        const cost = wish.hold.cost(now);
        this.#refuseWhile(
          (hold) => hold.cost(now) > cost,
          () => this.#wishes.has(wish),
        );
      }
    }
    clearTimeout(this.#timer);
    this.#timer = this.#wishes.size > 0 ? setTimeout(() => this.#makeRoom(), interval) : undefined;
  }

  /** Refuses bodies that still come, the costliest first. */
  #refuseWhile(isCandidate: (hold: ManifestHold) => boolean, isNeeded: () => boolean): void {
    const now = performance.now();
    const candidates = [...this.#holds].filter((hold) => hold.isComing && hold.bytes > 0 && isCandidate(hold));
    candidates.sort((one, other) => other.cost(now) - one.cost(now));
    for (const hold of candidates) {
      if (!isNeeded()) return;
      hold.refuse();
    }
  }
}

function sizeOf({ hold, bytes }: Wish): number {
  return hold.bytes + bytes;
}

/** The memory of one body, until it is given back. */
export class ManifestHold {
  /** What it has. */
  bytes = 0;
  /** When its client sent something last; while we wait for room, that is now. */
  #lastByte = performance.now();
  /** Milliseconds in which we waited for its client. */
  #waited = 0;
  #isComing = true;
  #isWaitingForRoom = false;
  readonly #budget: ManifestBudget;
  readonly #refuse: (error: RegistryError) => void;

  constructor(budget: ManifestBudget, refuse: (error: RegistryError) => void) {
    this.#budget = budget;
    this.#refuse = refuse;
  }

  /** Whether bytes are still to come: then it can be refused. */
  get isComing(): boolean {
    return this.#isComing;
  }

  get lastByte(): number {
    return this.#isWaitingForRoom ? performance.now() : this.#lastByte;
  }

  /** Bytes times the milliseconds that they lay here because of the client. */
  cost(now: number): number {
    return this.bytes * (this.#waited + (this.#isWaitingForRoom ? 0 : now - this.#lastByte));
  }

  /** These bytes have come. Resolves when there is room for them, or when the body was refused. */
  async add(bytes: number): Promise<void> {
    this.#waited += performance.now() - this.#lastByte;
    this.#isWaitingForRoom = true;
    try {
      await this.#budget.take(this, bytes);
    } finally {
      this.#isWaitingForRoom = false;
      this.#lastByte = performance.now();
    }
  }

  /** All of it is here. */
  complete(): void {
    this.#isComing = false;
  }

  refuse(): void {
    if (!this.#isComing) return;
    this.#isComing = false;
    this.#refuse(
      new RegistryError(
        'too-many-requests',
        'too many manifests are being pushed, and this one came more slowly than others: try again in a while',
      ),
    );
    this.giveBack();
  }

  giveBack(): void {
    this.#budget.giveBack(this);
  }
}
