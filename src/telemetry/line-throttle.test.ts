import { expect, test } from 'bun:test';
import { LineThrottle } from './line-throttle.ts';

test('one line a minute is written, and it says how many were left out', () => {
  let now = 0;
  const throttle = new LineThrottle(() => now);
  const admitted: (number | undefined)[] = [];
  for (; now <= 120_000; now += 20_000) admitted.push(throttle.admit());
  expect(admitted).toEqual([0, undefined, undefined, 2, undefined, undefined, 2]);
});
