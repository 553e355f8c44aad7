/** Bounds the memory for slots that wait for their turn. Slots beyond the bound are read again when it is their turn. */
export class HeldBytes {
  #left: number;

  constructor(max: number) {
    this.#left = max;
  }

  get hasRoom(): boolean {
    return this.#left > 0;
  }

  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}
