// Histories of simulated threads (test/simulation/threads/), judged by Porcupine: without a bug they are linearizable, and each injected bug
// in the rules of views shows.
import { beforeAll, expect, test } from 'bun:test';
import { BUGS, type ThreadsBug, type ThreadsBugName } from '../simulation/threads/bugs.ts';
import { simulateThreads } from '../simulation/threads/simulate.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { openJudge, type Recorded, type Verdict } from '../support/linearizability.ts';

const SEEDS = 200;
/** An injected bug is detected within this many seeds. */
const FOUND_WITHIN = 3_000;
/** Histories that are judged by one process. */
const TOGETHER = 50;
const WITHIN_MS = 600_000;

/** These concern the catalog or uploads, not tags. */
const NOT_ABOUT_TAGS: readonly ThreadsBugName[] = [
  'the catalog has no count',
  'names that have no log are remembered although other threads have created logs',
  'a session is leased by two threads',
];

let judge: (history: readonly Recorded[]) => Promise<Verdict>;
beforeAll(async () => {
  judge = await openJudge();
}, TOOLS_WITHIN_MS);

/** Of the seeds from `first`, each with its own tags. */
async function judgeSeeds(first: number, bug?: ThreadsBug): Promise<Verdict> {
  const history: Recorded[] = [];
  for (let seed = first; seed < first + TOGETHER; seed++) {
    for (const each of (await simulateThreads(seed, bug)).tags) history.push({ ...each, key: `${seed} ${each.key}` });
  }
  return await judge(history);
}

test(
  'histories of threads are linearizable',
  async () => {
    let operations = 0;
    for (let first = 1; first < SEEDS; first += TOGETHER) {
      const { illegal, undecided, ...counts } = await judgeSeeds(first);
      expect({ illegal, undecided }).toEqual({ illegal: [], undecided: [] });
      operations += counts.operations;
    }
    console.log(`${operations} operations`);
    expect(operations).toBeGreaterThan(100 * SEEDS);
  },
  WITHIN_MS,
);

for (const name of Object.keys(BUGS) as ThreadsBugName[]) {
  if (NOT_ABOUT_TAGS.includes(name)) continue;
  test(
    `the judge detects an injected bug: ${name}`,
    async () => {
      for (let first = 1; first < FOUND_WITHIN; first += TOGETHER) {
        if ((await judgeSeeds(first, BUGS[name])).illegal.length > 0) return;
      }
      expect.unreachable();
    },
    WITHIN_MS,
  );
}
