import type { RepositoryState } from './fold.ts';

/** The parts of a state that a snapshot holds; the rest follows from them. */
const PARTS = ['tags', 'tagTimes', 'blobs', 'manifests', 'released', 'tombstones'] as const;

/** @returns where two folds of the same slots differ, in words; undefined when they are the same. */
export function differenceOf(expected: RepositoryState, found: RepositoryState): string | undefined {
  if (expected.exists !== found.exists) return `says that the repository ${found.exists ? 'exists' : 'was deleted'}`;
  for (const part of PARTS) {
    const key = firstDifferentKey(expected[part], found[part]);
    if (key !== undefined) return `has other ${part}, one of them ${key}`;
  }
  return undefined;
}

function firstDifferentKey(
  expected: ReadonlyMap<string, unknown>,
  found: ReadonlyMap<string, unknown>,
): string | undefined {
  for (const [key, value] of expected) if (!Bun.deepEquals(value, found.get(key), true)) return key;
  // Every expected one is there: what is left can only be too much.
  if (found.size > expected.size) for (const key of found.keys()) if (!expected.has(key)) return key;
  return undefined;
}
