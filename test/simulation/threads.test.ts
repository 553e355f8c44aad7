// The threads of one process over one store, with a table of counts in shared memory (docs/decisions/0072).
import { expectSlots, type Simulation, testSimulation } from './suite.ts';
import { BUGS } from './threads/bugs.ts';
import { simulateThreads } from './threads/simulate.ts';

type Bug = NonNullable<Parameters<typeof simulateThreads>[1]>;

const simulation: Simulation<Bug> = {
  simulate: simulateThreads,
  worker: new URL('./threads/worker.ts', import.meta.url),
  seeds: 2_000,
  guarantee: 'no answer is older than an acknowledged write or an earlier answer, whichever thread gives it',
  expectUseful: expectSlots,
  repeated: [3, 14, 159],
  bugs: BUGS,
  foundWithin: 1_500,
  without: ({ focus }) => (focus === undefined ? {} : { focus }),
};

testSimulation(simulation);
