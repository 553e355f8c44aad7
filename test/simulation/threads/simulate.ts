import { Follower } from '../../../src/projection/threads/follower.ts';
import { focusOfThreads } from '../faults.ts';
import { CLUSTER, type Setting } from '../setting.ts';
import { type Simulated, simulate } from '../simulate.ts';
import type { ThreadsBug } from './bugs.ts';
import { openProcess } from './process.ts';

/** Threads share a clock. */
const THREADS: Setting = { ...CLUSTER, views: 'memory', store: 'objects', skew: 0, clock: () => 0 };

/** One run of a process with several threads over one store, determined by the seed alone. */
export async function simulateThreads(seed: number, bug: ThreadsBug = {}, keepsNotes = false): Promise<Simulated> {
  const { catchUp, count, folded } = Follower.prototype;
  Object.assign(Follower.prototype, bug.follower);
  try {
    return await simulate(seed, bug, keepsNotes, {
      setting: THREADS,
      focusOf: focusOfThreads,
      clients: [3, 8],
      reads: 90,
      isMonotonic: true,
      openProcess: (world) => openProcess(world, bug),
    });
  } finally {
    Object.assign(Follower.prototype, { catchUp, count, folded });
  }
}
