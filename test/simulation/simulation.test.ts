// DESIGN 11.3.
import { heapStats } from 'bun:jsc';
import { expect, test } from 'bun:test';
import { BUGS, type BugName } from './bugs.ts';
import { simulate } from './simulate.ts';
import { deadlineMs, MINUTES, runLives } from './threads.ts';

const SEEDS = Number(process.env.SIM_SEEDS ?? 10_000);
/** A planted bug is found within so many seeds. */
const FOUND_WITHIN = 1_500;

const seed = process.env.SIM_SEED;

if (seed !== undefined) {
  test(`the life of the cluster with seed ${seed}`, async () => {
    const { notes, violations } = await simulate(Number(seed), undefined, true);
    console.log(notes.join('\n'));
    expect(violations).toEqual([]);
  });
} else {
  test(
    'no life of a cluster breaks a promise, whatever is slow, lost, killed, forgotten or out of date in it',
    async () => {
      const { ran, counts, failed } = await runLives(new URL('./worker.ts', import.meta.url), SEEDS);
      const { slots = 0 } = counts;
      expect(failed.map((each) => each.seed)).toEqual([]);
      console.log(`${ran} lives, ${slots} slots`);
      expect(ran).toBeGreaterThanOrEqual(MINUTES > 0 ? 1 : SEEDS);
      // Lives in which nothing is written would prove nothing.
      expect(slots).toBeGreaterThan(2 * ran);
    },
    deadlineMs(SEEDS, 2_000),
  );

  test('a life that is over stays nowhere in memory', async () => {
    const heapAfter = async (first: number, last: number): Promise<number> => {
      for (let each = first; each <= last; each++) await simulate(each);
      Bun.gc(true);
      return heapStats().heapSize;
    };
    const before = await heapAfter(1, 20);
    // Half a megabyte is what the world of one life takes.
    expect((await heapAfter(21, 80)) - before).toBeLessThan(10_000_000);
  });

  test('a seed is the same life each time', async () => {
    for (const each of [3, 14, 159]) {
      const once = await simulate(each, undefined, true);
      expect(await simulate(each, undefined, true)).toEqual(once);
    }
  });

  for (const name of Object.keys(BUGS) as BugName[]) {
    test(
      `is seen: ${name}`,
      async () => {
        expect(await firstSeedThatFinds(name)).toBeLessThanOrEqual(FOUND_WITHIN);
      },
      deadlineMs(FOUND_WITHIN, 1_000),
    );
  }
}

async function firstSeedThatFinds(name: BugName): Promise<number> {
  for (let each = 1; each <= FOUND_WITHIN; each++) {
    if ((await simulate(each, BUGS[name])).violations.length > 0) return each;
  }
  return Number.POSITIVE_INFINITY;
}
