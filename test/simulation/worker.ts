// Simulations in a separate thread.

import { serveSeeds } from './seeds.ts';
import { simulate } from './simulate.ts';

declare const self: Worker;

serveSeeds(self, async (seed) => {
  const { violations, slots } = await simulate(seed);
  return { violations, counts: { slots } };
});
