// Simulated clusters with faults: many seeds, and deliberate bugs that the simulation must detect.
import { heapStats } from 'bun:jsc';
import { expect, test } from 'bun:test';
import { BUGS, type BugName } from './bugs.ts';
import { MINUTES, runSeeds, SEEDS_WITHIN_MS } from './seeds.ts';
import { simulate } from './simulate.ts';

const SEEDS = Number(process.env.SIM_SEEDS ?? 5_000);
/** An injected bug is detected within this many seeds. */
const FOUND_WITHIN = 1_500;
/** A tenth of the memory of the worlds of forty runs; less growth is not a leak. */
const LEAKED_BYTES = 2_000_000;

const seed = process.env.SIM_SEED;

if (seed !== undefined) {
  test(`the run with seed ${seed}`, async () => {
    const { notes, violations } = await simulate(Number(seed), undefined, true);
    console.log(notes.join('\n'));
    expect(violations).toEqual([]);
  });
} else {
  test(
    'no run breaks a guarantee, whatever is slow, lost, killed or stale',
    async () => {
      const { ran, counts, failed } = await runSeeds(new URL('./worker.ts', import.meta.url), SEEDS);
      const { slots = 0 } = counts;
      expect(failed.map((each) => each.seed)).toEqual([]);
      console.log(`${ran} runs, ${slots} slots`);
      expect(ran).toBeGreaterThanOrEqual(MINUTES > 0 ? 1 : SEEDS);
      // Runs in which nothing is written would prove nothing.
      expect(slots).toBeGreaterThan(2 * ran);
    },
    SEEDS_WITHIN_MS,
  );

  test('a finished run leaves nothing in memory', async () => {
    const heapAfter = async (first: number, last: number): Promise<number> => {
      for (let each = first; each <= last; each++) await simulate(each);
      Bun.gc(true);
      return heapStats().heapSize;
    };
    // Memory that is not collected yet differs from batch to batch; a leak, half a megabyte per run, shows in all of them.
    let [before, growth] = [await heapAfter(1, 20), Number.POSITIVE_INFINITY];
    for (let batch = 0; batch < 4 && growth >= LEAKED_BYTES; batch++) {
      const after = await heapAfter(21 + 40 * batch, 60 + 40 * batch);
      growth = after - before;
      before = after;
    }
    expect(growth).toBeLessThan(LEAKED_BYTES);
  });

  test('the same seed gives the same run', async () => {
    for (const each of [3, 14, 159]) {
      const once = await simulate(each, undefined, true);
      expect(await simulate(each, undefined, true)).toEqual(once);
    }
  });

  for (const name of Object.keys(BUGS) as BugName[]) {
    test(
      `detects an injected bug: ${name}`,
      async () => {
        expect(await firstSeedThatFinds(name)).toBeLessThanOrEqual(FOUND_WITHIN);
      },
      SEEDS_WITHIN_MS,
    );
  }
}

async function firstSeedThatFinds(name: BugName): Promise<number> {
  for (let each = 1; each <= FOUND_WITHIN; each++) {
    if ((await simulate(each, BUGS[name])).violations.length > 0) return each;
  }
  return Number.POSITIVE_INFINITY;
}
