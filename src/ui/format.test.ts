import { expect, test } from 'bun:test';
import {
  cut,
  formatActor,
  formatAge,
  formatBytes,
  formatCount,
  formatDuration,
  formatTime,
  formatUntil,
  shortDigest,
} from './format.ts';

test.each([
  [0, '0 B'],
  [1, '1 B'],
  [999, '999 B'],
  [1_000, '0.98 KiB'],
  [1_024, '1.00 KiB'],
  [1_536, '1.50 KiB'],
  [10_240, '10.0 KiB'],
  [102_400, '100 KiB'],
  [1024 * 1024 - 1, '1.00 MiB'],
  [23.4 * 1024 * 1024, '23.4 MiB'],
  [512 * 1024 ** 3, '512 GiB'],
  [Number.MAX_SAFE_INTEGER, '8.00 PiB'],
])('%d bytes are shown as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

const NOW = Date.UTC(2026, 10, 28);
test.each([
  [-5_000, 'just now'],
  [44_000, 'just now'],
  [60_000, '1 min ago'],
  [59 * 60_000, '59 min ago'],
  [3_600_000, '1 h ago'],
  [47 * 3_600_000, '1 d ago'],
  [59 * 86_400_000, '59 d ago'],
  [100 * 86_400_000, '3 mo ago'],
  [800 * 86_400_000, '2 y ago'],
])('what happened %d ms ago is %s', (passed, text) => {
  expect(formatAge(NOW - passed, NOW)).toBe(text);
});

test.each([
  [999, '0 s', 'now'],
  [45_000, '45 s', 'in 45 s'],
  [90_000, '1 min', 'in 1 min'],
  [47 * 3_600_000, '47 h', 'in 47 h'],
  [30 * 86_400_000, '30 d', 'in 30 d'],
])('%d ms are %s, and what happens after them happens %s', (length, duration, until) => {
  expect(formatDuration(length)).toBe(duration);
  expect(formatUntil(NOW + length, NOW)).toBe(until);
});

test('times, counts, digests and actors are short and exact', () => {
  expect(formatTime(NOW)).toBe('2026-11-28 00:00:00 UTC');
  expect([formatCount(1, 'tag'), formatCount(12_345, 'tag')]).toEqual(['1 tag', '12,345 tags']);
  expect(shortDigest(`sha256:${'0123456789abcdef'.repeat(4)}`)).toBe('0123456789ab');
  expect(shortDigest(`sha512:${'0123456789abcdef'.repeat(8)}`)).toBe('sha512:0123456789ab');
  expect([formatActor('user:alice'), formatActor('robot:ci')]).toEqual(['alice', 'robot:ci']);
  expect([cut('abc', 3), cut('abcd', 3)]).toEqual(['abc', 'abc…']);
});
