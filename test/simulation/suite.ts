// What all simulations on many seeds have in common.
import { expect, test } from 'bun:test';
import { type Findings, MINUTES, runSeeds, SEEDS_WITHIN_MS } from './seeds.ts';

interface Run {
  readonly violations: readonly string[];
  readonly notes: readonly string[];
}

export interface Simulation<Bug> {
  /** @param keepsNotes also notes what happens */
  readonly simulate: (seed: number, bug?: Bug, keepsNotes?: boolean) => Promise<Run>;
  /** The module of the threads that run many seeds. */
  readonly worker: URL;
  /** How many seeds run by default. */
  readonly seeds: number;
  /** What must hold in every run, as the test's name. */
  readonly guarantee: string;
  /** Expects that the runs did what the guarantee is about: runs in which nothing happens would prove nothing. */
  readonly expectUseful: (findings: Findings) => void;
  /** Seeds that run twice: the seed alone determines the run. */
  readonly repeated: readonly number[];
  readonly bugs: Readonly<Record<string, Bug>>;
  /** An injected bug is detected within this many seeds. */
  readonly foundWithin: number;
  /** The same run as with the bug, without it: it must find nothing. */
  readonly without?: (bug: Bug) => Bug;
  /** Whether a violation is one that an injected bug must cause. By default each is. */
  readonly isCaused?: (violation: string) => boolean;
}

/** Declares the tests of a simulation, and `beside` them those of its own. With `SIM_SEED` only one run, with notes. */
export function testSimulation<Bug>(simulation: Simulation<Bug>, beside: () => void = () => {}): void {
  const { simulate, worker, guarantee, expectUseful, repeated, bugs, foundWithin, without } = simulation;
  const seed = process.env.SIM_SEED;
  if (seed !== undefined) {
    test(`the run with seed ${seed}`, async () => {
      const { notes, violations } = await simulate(Number(seed), undefined, true);
      console.log(notes.join('\n'));
      expect(violations).toEqual([]);
    });
    return;
  }
  const seeds = Number(process.env.SIM_SEEDS ?? simulation.seeds);
  test(
    guarantee,
    async () => {
      const findings = await runSeeds(worker, seeds);
      expect(findings.failed.map((each) => each.seed)).toEqual([]);
      console.log(`${findings.ran} runs: ${JSON.stringify(findings.counts)}`);
      expect(findings.ran).toBeGreaterThanOrEqual(MINUTES > 0 ? 1 : seeds);
      expectUseful(findings);
    },
    SEEDS_WITHIN_MS,
  );
  test('the same seed gives the same run', async () => {
    for (const each of repeated) {
      const once = await simulate(each, undefined, true);
      expect(await simulate(each, undefined, true)).toEqual(once);
    }
  });
  beside();
  for (const [name, bug] of Object.entries(bugs)) {
    test(
      `detects an injected bug: ${name}`,
      async () => {
        const found = await firstSeedThatFinds(simulation, bug);
        expect(found).toBeLessThanOrEqual(foundWithin);
        if (without !== undefined) expect((await simulate(found, without(bug))).violations).toEqual([]);
      },
      SEEDS_WITHIN_MS,
    );
  }
}

/** @returns infinity if none does within `foundWithin` */
export async function firstSeedThatFinds<Bug>(
  { simulate, foundWithin, isCaused = () => true }: Simulation<Bug>,
  bug: Bug,
): Promise<number> {
  for (let seed = 1; seed <= foundWithin; seed++) {
    if ((await simulate(seed, bug)).violations.some(isCaused)) return seed;
  }
  return Number.POSITIVE_INFINITY;
}

/** For simulations that count slots. */
export function expectSlots({ ran, counts: { slots = 0 } }: Findings): void {
  expect(slots).toBeGreaterThan(2 * ran);
}
