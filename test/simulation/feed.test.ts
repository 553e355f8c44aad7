// The feed of changes of a cluster with faults: hints that are lost, notes that race, sweeps at any time (docs/decisions/0084).
import { expect, test } from 'bun:test';
import { FEED_BUGS, type FeedBugName } from './feed/bugs.ts';
import { simulateFeed } from './feed/simulate.ts';
import { MINUTES, runSeeds, SEEDS_WITHIN_MS } from './seeds.ts';

const SEEDS = Number(process.env.SIM_SEEDS ?? 100);
/** An injected bug is detected within this many seeds. */
const FOUND_WITHIN = 300;

const seed = process.env.SIM_SEED;

if (seed !== undefined) {
  test(`the run with seed ${seed}`, async () => {
    const { notes, violations } = await simulateFeed(Number(seed), undefined, true);
    console.log(notes.join('\n'));
    expect(violations).toEqual([]);
  });
} else {
  test(
    'every change comes once, in order, after each cursor that was taken before, and never before views show it',
    async () => {
      const { ran, counts, failed } = await runSeeds(new URL('./feed/worker.ts', import.meta.url), SEEDS);
      const { slots = 0 } = counts;
      expect(failed.map((each) => each.seed)).toEqual([]);
      console.log(`${ran} runs, ${slots} slots`);
      expect(ran).toBeGreaterThanOrEqual(MINUTES > 0 ? 1 : SEEDS);
      expect(slots).toBeGreaterThan(2 * ran);
    },
    SEEDS_WITHIN_MS,
  );

  for (const name of Object.keys(FEED_BUGS) as FeedBugName[]) {
    test(
      `detects an injected bug: ${name}`,
      async () => {
        const found = await firstSeedThatFinds(name);
        expect(found).toBeLessThanOrEqual(FOUND_WITHIN);
        // The same run without the bug.
        expect((await simulateFeed(found, { focus: FEED_BUGS[name].focus })).violations).toEqual([]);
      },
      SEEDS_WITHIN_MS,
    );
  }
}

async function firstSeedThatFinds(name: FeedBugName): Promise<number> {
  for (let each = 1; each <= FOUND_WITHIN; each++) {
    if ((await simulateFeed(each, FEED_BUGS[name])).violations.length > 0) return each;
  }
  return Number.POSITIVE_INFINITY;
}
