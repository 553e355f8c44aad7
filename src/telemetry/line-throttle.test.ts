import { expect, test } from 'bun:test';
import { LineThrottle } from './line-throttle.ts';

test('a hundred lines a minute are written, and the next one says how many were left out', () => {
  let now = 0;
  const throttle = new LineThrottle(() => now);
  for (let line = 0; line < 100; line++) expect(throttle.admit()).toBe(0);
  now = 59_999;
  expect([throttle.admit(), throttle.admit()]).toEqual([undefined, undefined]);
  now = 60_000;
  expect([throttle.admit(), throttle.admit()]).toEqual([2, 0]);
});
