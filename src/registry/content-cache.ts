import { LRUCache } from 'lru-cache';
import type { Digest, Incarnation } from '../oci/names.ts';

/** Blobs up to this many bytes are kept in memory and sent from there. */
export const SMALL_BLOB_BYTES = 32 * 1024;
/** Memory of an entry beyond its bytes, measured with 40,000 entries of 400 to 8,000 bytes: the array, its buffer, the key and the cache's slots. */
const OVERHEAD_BYTES = 900;

/**
 * Caches bytes that cannot change: manifests by digest, small blobs by incarnation. Before each use the caller checks in the
 * projection that the repository still has them.
 */
export class ContentCache {
  readonly #bytes: LRUCache<string, Uint8Array<ArrayBuffer>>;

  /** @param budget bytes of memory for all entries */
  constructor(budget: number) {
    this.#bytes = new LRUCache({
      maxSize: Math.max(1, budget),
      sizeCalculation: (bytes) => bytes.length + OVERHEAD_BYTES,
    });
  }

  get(key: Digest | Incarnation): Uint8Array<ArrayBuffer> | undefined {
    return this.#bytes.get(key);
  }

  set(key: Digest | Incarnation, bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes.set(key, bytes);
  }

  /** Bytes held now. */
  get size(): number {
    return this.#bytes.calculatedSize;
  }
}
