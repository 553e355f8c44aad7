import { freeBytes } from '../../system/free-bytes.ts';

/**
 * Reusable buffers of one part each. The garbage collector does not see how large they are. If it had to free them, the buffers of a
 * few big uploads would take several times the budget.
 */
export class BufferPool {
  readonly #size: number;
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  #lent = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** The content of the buffer is undefined. */
  borrow(): Uint8Array<ArrayBuffer> {
    this.#lent++;
    return this.#free.pop() ?? new Uint8Array(this.#size);
  }

  /**
   * The buffer may be detached afterwards.
   * @param reusable false: a request may still read it
   */
  giveBack(buffer: Uint8Array<ArrayBuffer>, reusable: boolean): void {
    this.#lent--;
    if (reusable) this.#free.push(buffer);
    if (this.#lent > 0) return;
    // No upload is active: return the memory.
    for (const each of this.#free.splice(0)) freeBytes(each);
  }
}
