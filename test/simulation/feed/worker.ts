// Simulated feeds in a separate thread.
import { serveSeeds } from '../seeds.ts';
import { simulateFeed } from './simulate.ts';

declare const self: Worker;

serveSeeds(self, async (seed) => {
  const { violations, slots } = await simulateFeed(seed);
  return { violations, counts: { slots } };
});
