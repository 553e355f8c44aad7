import type { Digest } from '../oci/names.ts';
import { SortedSet } from './sorted-set.ts';

/** Estimated bytes of memory. */
const WEIGHT = { subject: 300, artifactType: 250, referrer: 60 } as const;

/** The referrers of one subject in the order of their digests, all of them or those of one artifact type. */
export class Referrers implements Iterable<Digest> {
  readonly #all = new SortedSet<Digest>();
  readonly #byType = new Map<string, SortedSet<Digest>>();

  get size(): number {
    return this.#all.size;
  }

  /** Estimated bytes of memory. */
  get weight(): number {
    return WEIGHT.subject + this.#byType.size * WEIGHT.artifactType + this.#all.size * WEIGHT.referrer;
  }

  add(digest: Digest, artifactType: string | undefined): void {
    this.#all.add(digest);
    if (artifactType === undefined) return;
    const typed = this.#byType.get(artifactType) ?? new SortedSet<Digest>();
    this.#byType.set(artifactType, typed);
    typed.add(digest);
  }

  delete(digest: Digest, artifactType: string | undefined): void {
    this.#all.delete(digest);
    if (artifactType === undefined) return;
    const typed = this.#byType.get(artifactType);
    typed?.delete(digest);
    if (typed?.size === 0) this.#byType.delete(artifactType);
  }

  /** Up to `limit` digests after `after`, of all types or of the one given, and whether more follow. */
  page(
    artifactType: string | undefined,
    after: Digest | undefined,
    limit: number,
  ): { readonly names: readonly Digest[]; readonly more: boolean } {
    const some = artifactType === undefined ? this.#all : this.#byType.get(artifactType);
    return some?.page(after, limit) ?? { names: [], more: false };
  }

  [Symbol.iterator](): Iterator<Digest> {
    return this.#all[Symbol.iterator]();
  }
}
