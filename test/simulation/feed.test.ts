// The feed of changes of a cluster with faults: hints that are lost, notes that race, sweeps at any time (docs/decisions/0084).
import { FEED_BUGS } from './feed/bugs.ts';
import { simulateFeed } from './feed/simulate.ts';
import { expectSlots, type Simulation, testSimulation } from './suite.ts';

type Bug = NonNullable<Parameters<typeof simulateFeed>[1]>;

const simulation: Simulation<Bug> = {
  simulate: simulateFeed,
  worker: new URL('./feed/worker.ts', import.meta.url),
  seeds: 100,
  guarantee:
    'every change comes once, in order, after each cursor that was taken before, and never before views show it',
  expectUseful: expectSlots,
  repeated: [3, 14],
  bugs: FEED_BUGS,
  foundWithin: 300,
  without: ({ focus }) => (focus === undefined ? {} : { focus }),
};

testSimulation(simulation);
