import { createHash, type Hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type Algorithm, digestFromHex } from '../../oci/digest.ts';
import type { Digest, Incarnation } from '../../oci/names.ts';

interface Running {
  readonly algorithm: Algorithm;
  readonly offset: number;
  readonly hash: Hash;
}

/** Uploads whose hash is kept between two requests. */
const KEPT = 4_096;

/** The unfinished hashes of uploads whose last request came to this process. */
export class RunningDigests {
  readonly #kept = new LRUCache<Incarnation, Running>({ max: KEPT });

  begin(algorithm: Algorithm, bytes: Uint8Array): Hash {
    return createHash(algorithm).update(bytes);
  }

  keep(inc: Incarnation, algorithm: Algorithm, offset: number, hash: Hash): void {
    this.#kept.set(inc, { algorithm, offset, hash });
  }

  /**
   * A hash of exactly the first `offset` bytes, to go on with; undefined where only reading them again could tell.
   * @param digest of these bytes. What is kept here may be of bytes that never counted, or that Redis forgot, and other ones of
   * the same number count by now, which another process took.
   */
  resume(inc: Incarnation, algorithm: Algorithm, offset: number, digest: Digest | undefined): Hash | undefined {
    if (offset === 0) return createHash(algorithm);
    const running = this.#kept.get(inc);
    if (running?.offset !== offset || running.algorithm !== algorithm) return undefined;
    if (digestFromHex(algorithm, running.hash.copy().digest('hex')) !== digest) return undefined;
    // What goes on may be dropped: then the next one begins here again.
    return running.hash.copy();
  }
}
