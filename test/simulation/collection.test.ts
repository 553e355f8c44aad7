// Garbage collection while clients push, mount and delete, by several leaders that may stop anywhere.
import { expect, test } from 'bun:test';
import { BAD_CLOCKS, BUGS, type CollectionBugName } from './collection/bugs.ts';
import { simulateCollection } from './collection/simulate.ts';
import type { CollectionBug } from './collection/world.ts';
import { MINUTES, runSeeds, SEEDS_WITHIN_MS } from './seeds.ts';

const SEEDS = Number(process.env.SIM_SEEDS ?? 5_000);
/** An injected bug is detected within this many seeds. */
const FOUND_WITHIN = 1_000;

/** Violations of I4 (see checks.ts): detecting something else is not enough. */
const LOST = /^[a-z0-9/-]+: .* (are deleted|is gone)$/;

const seed = process.env.SIM_SEED;

if (seed !== undefined) {
  test(`the run with seed ${seed}`, async () => {
    const { notes, violations } = await simulateCollection(Number(seed), undefined, true);
    console.log(notes.join('\n'));
    expect(violations).toEqual([]);
  });
} else {
  test(
    'no collection deletes linked bytes, whichever process stops where and for how long, and all garbage is freed in the end',
    async () => {
      const { ran, counts, failed } = await runSeeds(new URL('./collection/worker.ts', import.meta.url), SEEDS);
      expect(failed.map((each) => each.seed)).toEqual([]);
      expect(ran).toBeGreaterThanOrEqual(MINUTES > 0 ? 1 : SEEDS);
      console.log(`${ran} runs: ${JSON.stringify(counts)}`);
      // Runs that do not exercise the collection would prove nothing.
      const { freed = 0, shared = 0, spared = 0, again = 0, averted = 0, pinned = 0, backedUp = 0 } = counts;
      if (ran < 2_000) return;
      expect(freed).toBeGreaterThan(3 * ran);
      expect(shared).toBeGreaterThan(ran / 10);
      expect(again).toBeGreaterThan(ran / 20);
      expect(spared).toBeGreaterThan(ran / 50);
      expect(averted).toBeGreaterThan(ran / 1_000);
      expect(pinned).toBeGreaterThan(ran / 20);
      expect(backedUp).toBeGreaterThan(ran / 5);
    },
    SEEDS_WITHIN_MS,
  );

  test('the same seed gives the same run', async () => {
    for (const each of [2, 71, 828]) {
      const once = await simulateCollection(each, undefined, true);
      expect(await simulateCollection(each, undefined, true)).toEqual(once);
    }
  });

  for (const name of Object.keys(BUGS) as CollectionBugName[]) {
    test(
      `detects an injected bug: ${name}`,
      async () => {
        const bug: CollectionBug = BUGS[name];
        const found = await firstSeedThatFinds(bug);
        expect(found).toBeLessThanOrEqual(FOUND_WITHIN);
        // The same run without the bug.
        const { setting = {}, plan = {} } = bug;
        expect((await simulateCollection(found, { setting, plan })).violations).toEqual([]);
      },
      SEEDS_WITHIN_MS,
    );
  }

  test(
    'clocks that differ by more than a quarter of the grace lose linked bytes',
    async () => {
      expect(await firstSeedThatFinds(BAD_CLOCKS)).toBeLessThanOrEqual(FOUND_WITHIN);
    },
    SEEDS_WITHIN_MS,
  );
}

async function firstSeedThatFinds(bug: CollectionBug): Promise<number> {
  for (let each = 1; each <= FOUND_WITHIN; each++) {
    const { violations } = await simulateCollection(each, bug);
    if (violations.some((violation) => LOST.test(violation))) return each;
  }
  return Number.POSITIVE_INFINITY;
}
