// Simulations in a thread of their own.
import { simulate } from './simulate.ts';
import { serveLives } from './threads.ts';

declare const self: Worker;

serveLives(self, async (seed) => {
  const { violations, slots } = await simulate(seed);
  return { violations, counts: { slots } };
});
