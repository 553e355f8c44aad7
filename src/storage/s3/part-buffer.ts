import type { Budget } from './budget.ts';
import type { BufferPool } from './buffer-pool.ts';

/**
 * Sizes through which the buffer of a first part grows before it has the size of a whole part, because most blobs are small. More
 * steps would produce more garbage than the memory they save.
 */
const STEPS = [256 * 1024, 2 * 1024 * 1024];

/** Collects the bytes of the next part, in memory taken from the budget. */
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

  /** Bytes of memory taken from the budget. */
  get room(): number {
    return this.#bytes?.length ?? 0;
  }

  get content(): Uint8Array {
    return this.#bytes?.subarray(0, this.#filled) ?? new Uint8Array();
  }

  /** @returns how many of the bytes fitted; if 0, call `grow` first */
  append(bytes: Uint8Array): number {
    if (this.#bytes === undefined) return 0;
    const count = Math.min(bytes.length, this.#bytes.length - this.#filled);
    this.#bytes.set(count === bytes.length ? bytes : bytes.subarray(0, count), this.#filled);
    this.#filled += count;
    return count;
  }

  /**
   * Makes room for at least some of `wanted` more bytes. If the content is spilled while this waits for the budget, the new memory is
   * released, and the caller must check again.
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

  /** Hands over the full part, with its memory and its buffer. */
  takeFull(): Uint8Array<ArrayBuffer> {
    const bytes = this.#bytes;
    if (bytes === undefined || !this.isFull) throw new Error('the part is not full');
    this.#bytes = undefined;
    this.#filled = 0;
    this.#first = false;
    return bytes;
  }

  /** Releases the memory to the budget. */
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
