import { expect, test } from 'bun:test';
import { sizeChange } from './size-change.ts';

test.each([
  [0, 0, 'no change in size'],
  [0, 10, '+10 B'],
  [100, 150, '+50 B (+50 %)'],
  [2048, 1024, '−1.00 KiB (−50 %)'],
  [1_000_000, 1_000_001, '+1 B'],
  [1024, 100 * 1024, '+99.0 KiB'],
])('from %p to %p bytes is %p', (from, to, text) => {
  expect(sizeChange(from, to)).toBe(text);
});
