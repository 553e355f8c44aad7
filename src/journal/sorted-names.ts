import { firstNotBelow } from './sorted-set.ts';

/** A set of names that can be paged in ASCII order. Names arrive in any order and are sorted on first use. */
export class SortedNames<T extends string> {
  #sorted: T[] | undefined;
  readonly #all: () => Iterable<T>;

  /** @param all returns every name of the set from its owner */
  constructor(all: () => Iterable<T>) {
    this.#all = all;
  }

  /** Must be called after a new name was added. */
  added(name: T): void {
    const sorted = this.#sorted;
    if (sorted === undefined) return;
    sorted.splice(firstNotBelow(sorted, name), 0, name);
  }

  /** Must be called after an existing name was removed. */
  removed(name: T): void {
    const sorted = this.#sorted;
    if (sorted === undefined) return;
    const index = firstNotBelow(sorted, name);
    if (sorted[index] === name) sorted.splice(index, 1);
  }

  /** Must be called after all names changed. */
  reset(): void {
    this.#sorted = undefined;
  }

  /** Up to `limit` names that come after `after` (which need not be one of them), and whether more follow. */
  page(after: string | undefined, limit: number): { names: T[]; more: boolean } {
    // Names are ASCII: the default order of strings is the order of their bytes.
    this.#sorted ??= [...this.#all()].sort();
    const sorted = this.#sorted;
    let start = after === undefined ? 0 : firstNotBelow(sorted, after);
    if (after !== undefined && sorted[start] === after) start++;
    return { names: sorted.slice(start, start + limit), more: start + limit < sorted.length };
  }
}
