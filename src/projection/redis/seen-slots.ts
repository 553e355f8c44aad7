import { LRUCache } from 'lru-cache';
import type { RepositoryName } from '../../oci/names.ts';

const MAX_REPOSITORIES = 100_000;

/**
 * The newest slot of each repository that this node has seen. A view below it is stale, whatever its owner says. This is only an
 * additional guard, so repositories that were not used for long may be forgotten.
 */
export class SeenSlots {
  readonly #slots = new LRUCache<RepositoryName, number>({
    // `max` would preallocate for all entries.
    maxSize: MAX_REPOSITORIES,
    sizeCalculation: () => 1,
  });

  /** Whether this node has seen any slot of it. */
  has(repo: RepositoryName): boolean {
    return this.isBelow(repo, 0);
  }

  isBelow(repo: RepositoryName, seq: number): boolean {
    return seq < (this.#slots.get(repo) ?? 0);
  }

  advance(repo: RepositoryName, seq: number): void {
    if (seq > (this.#slots.get(repo) ?? 0)) this.#slots.set(repo, seq);
  }

  /** Sets the slot after a verification against the log, even if it is lower than the one seen before. */
  set(repo: RepositoryName, seq: number): void {
    this.#slots.set(repo, seq);
  }
}
