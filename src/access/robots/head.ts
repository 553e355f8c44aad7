/**
 * The newest slot of the log of robots that any thread of this process has read: one word of memory that the threads share. What one
 * thread knows, the others must know before they answer: a client that has logged in at one thread sends its next request to another.
 */
export class RobotsHead {
  readonly #word: BigInt64Array;

  /** @param memory from `RobotsHead.allocate`, the same for all threads of the process */
  constructor(memory: SharedArrayBuffer) {
    this.#word = new BigInt64Array(memory);
  }

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT);
  }

  get seq(): number {
    return Number(Atomics.load(this.#word, 0));
  }

  /** Must be called before anything is answered from this slot. */
  raise(seq: number): void {
    const wanted = BigInt(seq);
    for (let known = Atomics.load(this.#word, 0); known < wanted; ) {
      const found = Atomics.compareExchange(this.#word, 0, known, wanted);
      if (found === known) return;
      known = found;
    }
  }
}
