// Simulated threads in a separate thread.
import { serveSeeds } from '../seeds.ts';
import { simulateThreads } from './simulate.ts';

declare const self: Worker;

serveSeeds(self, async (seed) => {
  const { violations, slots } = await simulateThreads(seed);
  return { violations, counts: { slots } };
});
