// DESIGN 11.3. `SIM_SEED=<n>` replays one seed and tells what happened; `SIM_SEEDS=<n>` and `SIM_MINUTES=<n>` run for longer.
import { expect, test } from 'bun:test';
import { BUGS, type BugName } from './bugs.ts';
import { simulate } from './simulate.ts';
import type { Findings, Share } from './worker.ts';

const SEEDS = Number(process.env.SIM_SEEDS ?? 10_000);
const MINUTES = Number(process.env.SIM_MINUTES ?? 0);
const FIRST = Number(process.env.SIM_FIRST ?? 1);
const THREADS = 2;
const MINUTE_MS = 60_000;
/** Ten thousand lives take about one and a half minutes on two cores; a machine that is busy gets more. */
const WITHIN_MS = MINUTES > 0 ? (MINUTES + 2) * MINUTE_MS : Math.max(6, SEEDS / 2_000) * MINUTE_MS;
/** A planted bug is found within so many seeds. */
const FOUND_WITHIN = 1_500;

function run(share: Share): Promise<Findings> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url));
    worker.onmessage = ({ data }: MessageEvent<Findings>) => {
      worker.terminate();
      resolve(data);
    };
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(share);
  });
}

/** Without an end, other than that of time, where minutes are given. */
function shareOf(thread: number): Share {
  const count = MINUTES > 0 ? MINUTES * 10_000 : Math.ceil(SEEDS / THREADS);
  const seeds = Array.from({ length: count }, (_, index) => FIRST + index * THREADS + thread);
  const until = MINUTES > 0 ? Date.now() + MINUTES * MINUTE_MS : Number.POSITIVE_INFINITY;
  return { seeds, until };
}

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
      const found = await Promise.all(Array.from({ length: THREADS }, (_, thread) => run(shareOf(thread))));
      const failed = found.flatMap((each) => each.failed);
      for (const each of failed) console.log(`SIM_SEED=${each.seed}: ${each.violations.join('\n')}`);
      expect(failed.map((each) => each.seed)).toEqual([]);
      const ran = found.reduce((sum, each) => sum + each.ran, 0);
      const slots = found.reduce((sum, each) => sum + each.slots, 0);
      console.log(`${ran} lives, ${slots} slots`);
      expect(ran).toBeGreaterThanOrEqual(MINUTES > 0 ? 1 : SEEDS);
      // Lives in which nothing is written would prove nothing.
      expect(slots).toBeGreaterThan(2 * ran);
    },
    WITHIN_MS,
  );

  test('a seed is the same life each time', async () => {
    for (const each of [3, 14, 159]) {
      const once = await simulate(each, undefined, true);
      expect(await simulate(each, undefined, true)).toEqual(once);
    }
  });

  for (const name of Object.keys(BUGS) as BugName[]) {
    test(`is seen: ${name}`, async () => {
      expect(await firstSeedThatFinds(name)).toBeLessThanOrEqual(FOUND_WITHIN);
    });
  }
}

async function firstSeedThatFinds(name: BugName): Promise<number> {
  for (let each = 1; each <= FOUND_WITHIN; each++) {
    if ((await simulate(each, BUGS[name])).violations.length > 0) return each;
  }
  return Number.POSITIVE_INFINITY;
}
