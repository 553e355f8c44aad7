// A replica is promoted while its source may live on, and processes die and hang; and deliberate bugs that this must detect.
import { expect, test } from 'bun:test';
import { writePromotion } from '../../src/replica/mark.ts';
import { changed } from './bugs.ts';
import { simulatePromotion } from './promotion/simulate.ts';
import type { Bug } from './promotion/world.ts';

const SEEDS = Number(process.env.SIM_SEEDS ?? 25);
/** Seeds that found something: slots that were ahead of the notes, and a process that did not notice the promotion. */
const FOUND_BUGS = [37, 44, 48];
/** An injected bug is detected within this many seeds. */
const FOUND_WITHIN = 300;
const WITHIN_MS = 600_000;

const BUGS: Readonly<Record<string, Bug>> = {
  'slots are created without a look whether the store was promoted meanwhile': { mayCreate: async () => {} },
  'slots that are ahead of the notes are not compared with those of another source': {
    driver: (driver) => changed(driver, { list: async function* () {} }),
  },
  'a promotion leaves no event in the notes': {
    promote: (by, { driver, now }) => writePromotion(driver, { at: new Date(now()).toISOString(), by }),
  },
};

test(
  'two histories never merge, and what the promoted store acknowledged stays, whatever dies or hangs',
  async () => {
    const sums: Record<string, number> = {};
    for (const seed of [...Array.from({ length: SEEDS }, (_, index) => index + 1), ...FOUND_BUGS]) {
      const { violations, counts } = await simulatePromotion(seed);
      expect([seed, violations]).toEqual([seed, []]);
      for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count;
    }
    console.log(`${SEEDS} runs: ${JSON.stringify(sums)}`);
    // Runs in which the histories do not part would prove nothing.
    for (const name of ['parted', 'refused', 'equal']) expect(sums[name]).toBeGreaterThan(SEEDS / 20);
  },
  WITHIN_MS,
);

test('the same seed gives the same run', async () => {
  for (const seed of [3, 14]) expect(await simulatePromotion(seed)).toEqual(await simulatePromotion(seed));
});

for (const [name, bug] of Object.entries(BUGS)) {
  test(
    `detects an injected bug: ${name}`,
    async () => {
      let seed = 1;
      while (seed <= FOUND_WITHIN && (await simulatePromotion(seed, bug)).violations.length === 0) seed++;
      console.log(`${name}: seed ${seed}`);
      expect(seed).toBeLessThanOrEqual(FOUND_WITHIN);
    },
    WITHIN_MS,
  );
}
