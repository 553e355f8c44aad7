import type { AuditedSlot } from './audited-log.ts';
import type { HeldBytes } from './held-bytes.ts';

/** What was found at the place of a slot. */
export type SlotRead =
  | { readonly kind: 'slot'; readonly slot: AuditedSlot }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unusable'; readonly problem: string }
  /** The store did not answer. */
  | { readonly kind: 'failed'; readonly error: unknown };

/** Slots of one log that may be read before their turn. */
const MAX_WINDOW = 16;
/** Reads before their turn of all logs together. */
const MAX_READS = 32;

/** Shared by all logs, so that they stay within one limit together. */
export class ReadAheadBudget {
  readonly held: HeldBytes;
  #reads = 0;

  constructor(held: HeldBytes) {
    this.held = held;
  }

  get hasRoom(): boolean {
    return this.#reads < MAX_READS && this.held.hasRoom;
  }

  async count<T>(read: Promise<T>): Promise<T> {
    this.#reads++;
    try {
      return await read;
    } finally {
      this.#reads--;
    }
  }
}

interface Ahead {
  readonly read: Promise<SlotRead>;
  /** Returns the memory for the slot. */
  readonly release: () => void;
}

/**
 * Reads the slots of one log in order. While slots are found, the next ones are read in advance, twice as many each time, because a
 * remote store takes long for each.
 */
export class ReadAhead {
  /** Never rejects. */
  readonly #read: (seq: number) => Promise<SlotRead>;
  readonly #budget: ReadAheadBudget;
  readonly #ahead = new Map<number, Ahead>();
  #window = 1;

  constructor(read: (seq: number) => Promise<SlotRead>, budget: ReadAheadBudget) {
    this.#read = read;
    this.#budget = budget;
  }

  /** The slot at this place. What was read of earlier or much later places is forgotten. */
  async take(seq: number): Promise<SlotRead> {
    const ahead = this.#ahead.get(seq);
    const found = await (ahead?.read ?? this.#read(seq));
    this.#forget(seq);
    if (found.kind === 'slot') {
      this.#readFrom(seq + 1);
      this.#window = Math.min(2 * this.#window, MAX_WINDOW);
    } else {
      // Later slots may be written before they are asked for again.
      for (const each of this.#ahead.keys()) this.#forget(each);
      this.#window = 1;
    }
    return found;
  }

  #readFrom(first: number): void {
    for (let seq = first; seq < first + this.#window && this.#budget.hasRoom; seq++) {
      if (!this.#ahead.has(seq)) this.#ahead.set(seq, this.#start(seq));
    }
  }

  #start(seq: number): Ahead {
    const { held } = this.#budget;
    let bytes = 0;
    let isForgotten = false;
    const read = this.#budget.count(this.#read(seq)).then((found) => {
      if (isForgotten || found.kind !== 'slot') return found;
      if (held.take(found.slot.size)) bytes = found.slot.size;
      // It is read again when it is its turn.
      else this.#ahead.delete(seq);
      return found;
    });
    const release = (): void => {
      isForgotten = true;
      held.give(bytes);
      bytes = 0;
    };
    return { read, release };
  }

  #forget(seq: number): void {
    this.#ahead.get(seq)?.release();
    this.#ahead.delete(seq);
  }
}
