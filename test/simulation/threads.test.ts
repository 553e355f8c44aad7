// The threads of one process over one store, with a table of counts in shared memory (docs/decisions/0072).
import { expect, test } from 'bun:test';
import { MINUTES, runSeeds, SEEDS_WITHIN_MS } from './seeds.ts';
import { BUGS, type ThreadsBugName } from './threads/bugs.ts';
import { simulateThreads } from './threads/simulate.ts';

const SEEDS = Number(process.env.SIM_SEEDS ?? 2_000);
/** An injected bug is detected within this many seeds. */
const FOUND_WITHIN = 1_500;

const seed = process.env.SIM_SEED;

if (seed !== undefined) {
  test(`the run with seed ${seed}`, async () => {
    const { notes, violations } = await simulateThreads(Number(seed), undefined, true);
    console.log(notes.join('\n'));
    expect(violations).toEqual([]);
  });
} else {
  test(
    'no answer is older than an acknowledged write or an earlier answer, whichever thread gives it',
    async () => {
      const { ran, counts, failed } = await runSeeds(new URL('./threads/worker.ts', import.meta.url), SEEDS);
      const { slots = 0 } = counts;
      expect(failed.map((each) => each.seed)).toEqual([]);
      console.log(`${ran} runs, ${slots} slots`);
      expect(ran).toBeGreaterThanOrEqual(MINUTES > 0 ? 1 : SEEDS);
      // Runs in which nothing is written would prove nothing.
      expect(slots).toBeGreaterThan(2 * ran);
    },
    SEEDS_WITHIN_MS,
  );

  test('the same seed gives the same run', async () => {
    for (const each of [3, 14, 159]) {
      const once = await simulateThreads(each, undefined, true);
      expect(await simulateThreads(each, undefined, true)).toEqual(once);
    }
  });

  for (const name of Object.keys(BUGS) as ThreadsBugName[]) {
    test(
      `detects an injected bug: ${name}`,
      async () => {
        const found = await firstSeedThatFinds(name);
        expect(found).toBeLessThanOrEqual(FOUND_WITHIN);
        // The same run without the bug.
        expect((await simulateThreads(found, { focus: BUGS[name].focus })).violations).toEqual([]);
      },
      SEEDS_WITHIN_MS,
    );
  }
}

async function firstSeedThatFinds(name: ThreadsBugName): Promise<number> {
  for (let each = 1; each <= FOUND_WITHIN; each++) {
    if ((await simulateThreads(each, BUGS[name])).violations.length > 0) return each;
  }
  return Number.POSITIVE_INFINITY;
}
