import { LRUCache } from 'lru-cache';
import type { Digest } from '../../oci/names.ts';

/** Characters of the cached texts. */
const MAX_CHARACTERS = 8 * 1024 * 1024;
const OVERHEAD = 300;

/**
 * Values decoded from texts in Redis, cached while the text stays the same, because most pulls are of a few manifests. Callers get
 * the same object each time, so derived values can be cached by identity.
 */
export class DecodeCache<T extends object> {
  readonly #decode: (text: string) => T;
  readonly #cached = new LRUCache<Digest, { readonly text: string; readonly value: T }>({
    maxSize: MAX_CHARACTERS,
    sizeCalculation: ({ text }) => text.length + OVERHEAD,
  });

  constructor(decode: (text: string) => T) {
    this.#decode = decode;
  }

  of(digest: Digest, text: string): T {
    const cached = this.#cached.get(digest);
    if (cached?.text === text) return cached.value;
    const value = this.#decode(text);
    this.#cached.set(digest, { text, value });
    return value;
  }
}
