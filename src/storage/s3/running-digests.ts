import { createHash, type Hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type Algorithm, digestFromHex } from '../../oci/digest.ts';
import type { Digest, Incarnation } from '../../oci/names.ts';

interface Running {
  readonly algorithm: Algorithm;
  readonly offset: number;
  readonly hash: Hash;
}

/** Uploads whose hash state is kept between requests. */
const MAX_KEPT = 4_096;

/** The hash states of uploads whose last request was served by this process. */
export class RunningDigests {
  readonly #kept = new LRUCache<Incarnation, Running>({ max: MAX_KEPT });

  begin(algorithm: Algorithm, bytes: Uint8Array): Hash {
    return createHash(algorithm).update(bytes);
  }

  keep(inc: Incarnation, algorithm: Algorithm, offset: number, hash: Hash): void {
    this.#kept.set(inc, { algorithm, offset, hash });
  }

  /**
   * The hash state after exactly the first `offset` bytes; undefined if they would have to be read again.
   * @param digest of these bytes according to the session. The kept state may belong to bytes that were never saved or that Redis
   * lost, while another process stored equally many other bytes in their place.
   */
  resume(inc: Incarnation, algorithm: Algorithm, offset: number, digest: Digest | undefined): Hash | undefined {
    if (offset === 0) return createHash(algorithm);
    const running = this.#kept.get(inc);
    if (running?.offset !== offset || running.algorithm !== algorithm) return undefined;
    if (digestFromHex(algorithm, running.hash.copy().digest('hex')) !== digest) return undefined;
    // Copied, because the write that continues may be dropped, and the next one starts here again.
    return running.hash.copy();
  }
}
