// Simulated collections in a separate thread.
import { serveSeeds } from '../seeds.ts';
import { simulateCollection } from './simulate.ts';

declare const self: Worker;

serveSeeds(self, async (seed) => {
  const { violations, counts } = await simulateCollection(seed);
  return { violations, counts: { ...counts } };
});
