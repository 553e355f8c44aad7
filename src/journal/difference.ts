import type { RepositoryState } from './fold.ts';

/** The parts of a state that a snapshot holds; everything else is derived from them. */
const PARTS = ['tags', 'tagTimes', 'blobs', 'manifests', 'released', 'tombstones'] as const;

/** @returns a description of where two folds of the same slots differ; undefined when they are equal */
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
  // Every expected entry exists, so the remaining difference is an entry too many.
  if (found.size > expected.size) for (const key of found.keys()) if (!expected.has(key)) return key;
  return undefined;
}
