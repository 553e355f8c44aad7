// Garbage collection while clients push, mount and delete, by several leaders that may stop anywhere.
import { expect, test } from 'bun:test';
import { BAD_CLOCKS, BUGS } from './collection/bugs.ts';
import { simulateCollection } from './collection/simulate.ts';
import type { CollectionBug } from './collection/world.ts';
import { type Findings, SEEDS_WITHIN_MS } from './seeds.ts';
import { firstSeedThatFinds, type Simulation, testSimulation } from './suite.ts';

/** Violations of I4 (see checks.ts): detecting something else is not enough. */
const LOST = /^[a-z0-9/-]+: .* (are deleted|is gone)$/;

const simulation: Simulation<CollectionBug> = {
  simulate: simulateCollection,
  worker: new URL('./collection/worker.ts', import.meta.url),
  seeds: 5_000,
  guarantee:
    'no collection deletes linked bytes, whichever process stops where and for how long, and all garbage is freed in the end',
  expectUseful: expectCollections,
  repeated: [2, 71, 828],
  bugs: BUGS,
  foundWithin: 1_000,
  without: ({ setting = {}, plan = {} }) => ({ setting, plan }),
  isCaused: (violation) => LOST.test(violation),
};

testSimulation(simulation, () => {
  test(
    'clocks that differ by more than a quarter of the grace lose linked bytes',
    async () => {
      expect(await firstSeedThatFinds(simulation, BAD_CLOCKS)).toBeLessThanOrEqual(simulation.foundWithin);
    },
    SEEDS_WITHIN_MS,
  );
});

function expectCollections({ ran, counts }: Findings): void {
  const { freed = 0, shared = 0, spared = 0, again = 0, averted = 0, pinned = 0, backedUp = 0 } = counts;
  // The rare ones come to nothing in a short run.
  if (ran < 2_000) return;
  expect(freed).toBeGreaterThan(3 * ran);
  expect(shared).toBeGreaterThan(ran / 10);
  expect(again).toBeGreaterThan(ran / 20);
  expect(spared).toBeGreaterThan(ran / 50);
  expect(averted).toBeGreaterThan(ran / 1_000);
  expect(pinned).toBeGreaterThan(ran / 20);
  expect(backedUp).toBeGreaterThan(ran / 5);
}
