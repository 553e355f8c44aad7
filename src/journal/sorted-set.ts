/** The most names in one chunk. An insertion moves at most this many, however large the set is. */
const MAX_CHUNK = 512;

/**
 * A set of ASCII strings that is always sorted, so that no read has to sort it. The names are stored in sorted chunks of bounded
 * size, so every operation costs a binary search and at most a move within one chunk.
 */
export class SortedSet<T extends string> implements Iterable<T> {
  /** Never empty; a single chunk may have no names. */
  readonly #chunks: T[][] = [[]];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(name: T): void {
    const index = this.#chunkOf(name);
    const chunk = this.#chunks[index] ?? [];
    const at = firstNotBelow(chunk, name);
    if (chunk[at] === name) return;
    chunk.splice(at, 0, name);
    this.#size++;
    if (chunk.length > MAX_CHUNK) this.#chunks.splice(index + 1, 0, chunk.splice(MAX_CHUNK / 2));
  }

  delete(name: T): void {
    const index = this.#chunkOf(name);
    const chunk = this.#chunks[index] ?? [];
    const at = firstNotBelow(chunk, name);
    if (chunk[at] !== name) return;
    chunk.splice(at, 1);
    this.#size--;
    if (chunk.length === 0 && this.#chunks.length > 1) this.#chunks.splice(index, 1);
  }

  /** Up to `limit` names that come after `after`, which need not be one of them, and whether more follow. */
  page(after: string | undefined, limit: number): { readonly names: T[]; readonly more: boolean } {
    const names: T[] = [];
    let index = after === undefined ? 0 : this.#chunkOf(after);
    let from = after === undefined ? 0 : firstAbove(this.#chunks[index] ?? [], after);
    for (; index < this.#chunks.length && names.length <= limit; index++, from = 0) {
      // One more than requested tells whether another page follows.
      names.push(...(this.#chunks[index] ?? []).slice(from, from + limit + 1 - names.length));
    }
    const more = names.length > limit;
    if (more) names.pop();
    return { names, more };
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const chunk of this.#chunks) yield* chunk;
  }

  /** The index of the chunk that holds the name, or into which it would be inserted. */
  #chunkOf(name: string): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      const first = this.#chunks[middle]?.[0];
      if (first !== undefined && first <= name) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** The index at which a name is, or would be inserted. */
export function firstNotBelow(sorted: readonly string[], name: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const candidate = sorted[middle];
    if (candidate !== undefined && candidate < name) low = middle + 1;
    else high = middle;
  }
  return low;
}

function firstAbove(sorted: readonly string[], name: string): number {
  const at = firstNotBelow(sorted, name);
  return sorted[at] === name ? at + 1 : at;
}
