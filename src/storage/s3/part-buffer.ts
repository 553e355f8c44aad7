import type { Budget } from './budget.ts';

/** What a first part begins with; it grows as bytes come, for most blobs are small. */
const FIRST_BYTES = 256 * 1024;

/** The bytes that are gathered for the next part. Their room is the budget's. */
export class PartBuffer {
  readonly #budget: Budget;
  readonly #partSize: number;
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  #filled = 0;
  #first = true;

  constructor(budget: Budget, partSize: number) {
    this.#budget = budget;
    this.#partSize = partSize;
  }

  get filled(): number {
    return this.#filled;
  }

  get isFull(): boolean {
    return this.#filled === this.#partSize;
  }

  /** Bytes of room that are held. */
  get room(): number {
    return this.#bytes?.length ?? 0;
  }

  get content(): Uint8Array {
    return this.#bytes?.subarray(0, this.#filled) ?? new Uint8Array();
  }

  /** @returns how many of the bytes fitted in; 0: `grow` first */
  append(bytes: Uint8Array): number {
    if (this.#bytes === undefined) return 0;
    const count = Math.min(bytes.length, this.#bytes.length - this.#filled);
    this.#bytes.set(count === bytes.length ? bytes : bytes.subarray(0, count), this.#filled);
    this.#filled += count;
    return count;
  }

  /**
   * Makes room for more bytes, of which so many are known to come. What is there may be spilled while it waits for the budget:
   * then it gives the new room back, and the caller looks again.
   */
  async grow(wanted: number, isCurrent: () => boolean): Promise<void> {
    const doubled = this.#first ? Math.max(2 * this.room, FIRST_BYTES) : this.#partSize;
    const size = Math.min(this.#partSize, Math.max(doubled, this.#filled + wanted));
    const more = size - this.room;
    await this.#budget.take(more);
    if (!isCurrent()) {
      this.#budget.give(more);
      return;
    }
    const next = new Uint8Array(size);
    next.set(this.content);
    this.#bytes = next;
  }

  /** Hands the full part over; its room goes with it. */
  takeFull(): Uint8Array {
    const bytes = this.content;
    this.#bytes = undefined;
    this.#filled = 0;
    this.#first = false;
    return bytes;
  }

  /** Gives the room back. */
  clear(): void {
    const { room } = this;
    this.#bytes = undefined;
    this.#filled = 0;
    if (room > 0) this.#budget.give(room);
  }
}
