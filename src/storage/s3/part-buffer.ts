import type { Budget } from './budget.ts';
import type { BufferPool } from './buffer-pool.ts';

/**
 * Sizes that the buffer of a first part grows through before it gets a whole part's room: most blobs are small. More steps would
 * produce more garbage than the room they save.
 */
const STEPS = [256 * 1024, 2 * 1024 * 1024];

/** Collects the bytes of the next part, in room taken from the budget. */
export class PartBuffer {
  readonly #budget: Budget;
  readonly #pool: BufferPool;
  readonly #partSize: number;
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  #filled = 0;
  #first = true;

  constructor(budget: Budget, pool: BufferPool, partSize: number) {
    this.#budget = budget;
    this.#pool = pool;
    this.#partSize = partSize;
  }

  get filled(): number {
    return this.#filled;
  }

  get isFull(): boolean {
    return this.#filled === this.#partSize;
  }

  /** Bytes of room taken from the budget. */
  get room(): number {
    return this.#bytes?.length ?? 0;
  }

  get content(): Uint8Array {
    return this.#bytes?.subarray(0, this.#filled) ?? new Uint8Array();
  }

  /** @returns how many of the bytes fitted; 0: `grow` first */
  append(bytes: Uint8Array): number {
    if (this.#bytes === undefined) return 0;
    const count = Math.min(bytes.length, this.#bytes.length - this.#filled);
    this.#bytes.set(count === bytes.length ? bytes : bytes.subarray(0, count), this.#filled);
    this.#filled += count;
    return count;
  }

  /**
   * Makes room for at least some of `wanted` more bytes. The content may be spilled while this waits for the budget: then the
   * new room is returned, and the caller checks again.
   * @param signal ends the wait for the budget
   */
  async grow(wanted: number, isCurrent: () => boolean, signal?: AbortSignal): Promise<void> {
    const needed = this.#filled + wanted;
    const step = this.#first ? STEPS.find((each) => each >= needed && each > this.room) : undefined;
    const size = Math.min(step ?? this.#partSize, this.#partSize);
    const more = size - this.room;
    await this.#budget.take(more, signal);
    if (!isCurrent()) {
      this.#budget.give(more);
      return;
    }
    const next = size === this.#partSize ? this.#pool.borrow() : new Uint8Array(size);
    next.set(this.content);
    this.#bytes = next;
  }

  /** Hands over the full part, with its room and its buffer. */
  takeFull(): Uint8Array<ArrayBuffer> {
    const bytes = this.#bytes;
    if (bytes === undefined || !this.isFull) throw new Error('the part is not full');
    this.#bytes = undefined;
    this.#filled = 0;
    this.#first = false;
    return bytes;
  }

  /** Returns the room to the budget. */
  clear(): void {
    const bytes = this.#bytes;
    if (bytes === undefined) return;
    const { room } = this;
    this.#bytes = undefined;
    this.#filled = 0;
    if (room === this.#partSize) this.#pool.giveBack(bytes, true);
    this.#budget.give(room);
  }
}
