import { freeBytes } from '../../system/free-bytes.ts';

/**
 * Buffers of a whole part, used again: left to the garbage collector, which sees little need to run, those of a few big uploads
 * would take several times the budget.
 */
export class BufferPool {
  readonly #size: number;
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  #lent = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** Its content is what it happens to be. */
  borrow(): Uint8Array<ArrayBuffer> {
    this.#lent++;
    return this.#free.pop() ?? new Uint8Array(this.#size);
  }

  /**
   * The buffer may be empty after it.
   * @param reusable false: somebody may still read it
   */
  giveBack(buffer: Uint8Array<ArrayBuffer>, reusable: boolean): void {
    this.#lent--;
    if (reusable) this.#free.push(buffer);
    if (this.#lent > 0) return;
    // Nobody uploads now: the memory is for others.
    for (const each of this.#free.splice(0)) freeBytes(each);
  }
}
