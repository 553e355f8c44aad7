// All interleavings of the steps of a few threads, by the rules in src/projection/threads/heads.ts.
import { expect, test } from 'bun:test';
import { exploreThreads, type ModelBug, type ModelSize } from './threads/model.ts';

const WITHIN_MS = 120_000;

/** Two writers, one of which also reads, and a reader. */
const THREE: ModelSize = {
  threads: [
    [1, 1],
    [1, 0],
    [0, 1],
  ],
  losses: 1,
};
/** Two writers and a reader that reads twice. */
const TWICE: ModelSize = {
  threads: [
    [1, 0],
    [1, 0],
    [0, 2],
  ],
  losses: 1,
};
/** Two threads that both write and read. */
const TWO: ModelSize = {
  threads: [
    [1, 1],
    [1, 1],
  ],
  losses: 1,
};

test(
  'no answer is older than an acknowledged write or an earlier answer, in any order of steps',
  () => {
    for (const [size, least] of [
      [THREE, 100_000],
      [TWICE, 10_000],
      [TWO, 10_000],
    ] as const) {
      const { states, violation } = exploreThreads(size);
      expect(violation).toBeUndefined();
      expect(states).toBeGreaterThan(least);
    }
  },
  WITHIN_MS,
);

const BUGS: readonly (readonly [keyof ModelBug, ModelSize])[] = [
  ['countsLate', TWO],
  ['remembersLater', TWICE],
  ['findsSilently', TWO],
  ['endsEarly', THREE],
  ['endsGivenUp', THREE],
  ['remembersOwn', TWO],
];

for (const [bug, size] of BUGS) {
  test(
    `the rules are needed: ${bug}`,
    () => {
      expect(exploreThreads(size, { [bug]: true }).violation).toBeDefined();
    },
    WITHIN_MS,
  );
}
