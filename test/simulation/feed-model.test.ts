// All orders of the steps of a few writers, noters and a reader, by the rules in docs/decisions/0084.
import { expect, test } from 'bun:test';
import { exploreNotes, type ModelBug, type ModelSize } from './feed/model.ts';

const WITHIN_MS = 120_000;
const SIZE: ModelSize = { writers: 2, noters: 2, crashes: 1 };

test(
  'every acknowledged slot is noted once, in order, only when views show it, and after each cursor taken before',
  () => {
    const { states, violation } = exploreNotes(SIZE);
    expect(violation).toBeUndefined();
    expect(states).toBeGreaterThan(1_000);
  },
  WITHIN_MS,
);

const BUGS: readonly (keyof ModelBug)[] = [
  'believesHints',
  'hintsEarly',
  'sweepsStore',
  'notesTwice',
  'neverSweeps',
  'guessesNow',
];

for (const bug of BUGS) {
  test(
    `the rules are needed: ${bug}`,
    () => {
      expect(exploreNotes(SIZE, { [bug]: true }).violation).toBeDefined();
    },
    WITHIN_MS,
  );
}
