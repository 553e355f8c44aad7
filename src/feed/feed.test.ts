import { expect, test } from 'bun:test';
import { parseSince } from './feed.ts';

test.each([
  ['now', { kind: 'now' }],
  ['beginning', { kind: 'beginning' }],
  ['2026-11-28T10:15:00Z', { kind: 'time', at: Date.UTC(2026, 10, 28, 10, 15) }],
  ['2026-11-28T10:15Z', { kind: 'time', at: Date.UTC(2026, 10, 28, 10, 15) }],
  ['2026-11-28T10:15:00.250+02:00', { kind: 'time', at: Date.UTC(2026, 10, 28, 8, 15, 0, 250) }],
  ['2026-11-28', { kind: 'time', at: Date.UTC(2026, 10, 28) }],
  ['abc_-9', { kind: 'cursor', text: 'abc_-9' }],
] as const)('since=%s is understood', (text, since) => {
  expect(parseSince(text)).toEqual(since);
});

test.each(['', '2026-02-30', '2026-11-28T10:15:00', '2026-11-28T25:00:00Z', '2026-13-01', '2026-'])(
  'since=%s is refused: a time without a zone could mean any moment of a day',
  (text) => {
    expect(parseSince(text)).toBeUndefined();
  },
);
