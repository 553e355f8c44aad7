// Collections in a thread of their own.
import { serveLives } from '../threads.ts';
import { simulateCollection } from './life.ts';

declare const self: Worker;

serveLives(self, async (seed) => {
  const { violations, counts } = await simulateCollection(seed);
  return { violations, counts: { ...counts } };
});
