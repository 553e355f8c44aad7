import { LRUCache } from 'lru-cache';
import type { RepositoryName } from '../../oci/names.ts';

const REPOSITORIES = 100_000;

/**
 * The newest slot of each repository that this node has seen: a view below it went back, whatever it says of itself. A guard
 * beside the owner's, so it may forget repositories that were not used for long.
 */
export class SeenSlots {
  readonly #slots = new LRUCache<RepositoryName, number>({
    // With `max` it would make room for all of them at once, however few there are.
    maxSize: REPOSITORIES,
    sizeCalculation: () => 1,
  });

  /** Whether this node saw any slot of it. */
  has(repo: RepositoryName): boolean {
    return this.isBelow(repo, 0);
  }

  isBelow(repo: RepositoryName, seq: number): boolean {
    return seq < (this.#slots.get(repo) ?? 0);
  }

  saw(repo: RepositoryName, seq: number): void {
    if (seq > (this.#slots.get(repo) ?? 0)) this.#slots.set(repo, seq);
  }

  /** The log itself says so. */
  is(repo: RepositoryName, seq: number): void {
    this.#slots.set(repo, seq);
  }
}
