/** Fewer items are not worth a cut. */
const MIN_SORTED = 1_000;

/**
 * The first `count` items in an order, without sorting all of them: a repository may have 100,000 tags. Pure.
 * @param order as for Array.sort
 */
export function firstOf<T>(items: Iterable<T>, count: number, order: (one: T, other: T) => number): T[] {
  let found: T[] = [];
  for (const item of items) {
    found.push(item);
    if (found.length >= 2 * count + MIN_SORTED) found = found.sort(order).slice(0, count);
  }
  return found.sort(order).slice(0, count);
}
