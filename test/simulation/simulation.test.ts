// Simulated clusters with faults: many seeds, and deliberate bugs that the simulation must detect.
import { heapStats } from 'bun:jsc';
import { expect, test } from 'bun:test';
import { BUGS } from './bugs.ts';
import { simulate } from './simulate.ts';
import { expectSlots, type Simulation, testSimulation } from './suite.ts';

type Bug = NonNullable<Parameters<typeof simulate>[1]>;

/** A tenth of the memory of the worlds of forty runs; less growth is not a leak. */
const LEAKED_BYTES = 2_000_000;

const simulation: Simulation<Bug> = {
  simulate,
  worker: new URL('./worker.ts', import.meta.url),
  seeds: 5_000,
  guarantee: 'no run breaks a guarantee, whatever is slow, lost, killed or stale',
  expectUseful: expectSlots,
  repeated: [3, 14, 159],
  bugs: BUGS,
  foundWithin: 1_500,
};

testSimulation(simulation, testMemory);

function testMemory(): void {
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
}
