import { createCipheriv, createHash } from 'node:crypto';

/** The source of all choices of a drill: the same seed and label give the same choices and the same bytes. */
export class Random {
  readonly #label: string;
  #state: number;
  #children = 0;

  constructor(label: string) {
    this.#label = label;
    this.#state = createHash('sha256').update(label).digest().readUInt32LE(0);
  }

  /** A separate generator, so that the choices of one client do not depend on the progress of others. */
  child(name: string): Random {
    return new Random(`${this.#label}/${name}`);
  }

  /** From 0 to below 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer, both bounds included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.next() * items.length)];
  }

  /** Bytes that differ at each call. */
  bytes(size: number): Uint8Array {
    const key = createHash('sha256')
      .update(`${this.#label}#${this.#children++}`)
      .digest();
    const cipher = createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16));
    return new Uint8Array(cipher.update(new Uint8Array(size)));
  }

  shuffled<T>(items: readonly T[]): T[] {
    const keyed = items.map((item) => ({ item, key: this.next() }));
    return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
  }
}
