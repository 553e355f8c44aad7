import { LRUCache } from 'lru-cache';
import type { Digest } from '../../oci/names.ts';

/** Characters of the texts that are kept. */
const ROOM = 8 * 1024 * 1024;
const OVERHEAD = 300;

/**
 * What the texts of Redis say, decoded once while they stay the same: the same few manifests are pulled again and again, and
 * whoever prepared something for the same object finds it again.
 */
export class DecodeCache<T extends object> {
  readonly #decode: (text: string) => T;
  readonly #known = new LRUCache<Digest, { readonly text: string; readonly value: T }>({
    maxSize: ROOM,
    sizeCalculation: ({ text }) => text.length + OVERHEAD,
  });

  constructor(decode: (text: string) => T) {
    this.#decode = decode;
  }

  of(digest: Digest, text: string): T {
    const known = this.#known.get(digest);
    if (known?.text === text) return known.value;
    const value = this.#decode(text);
    this.#known.set(digest, { text, value });
    return value;
  }
}
