import { expect, test } from 'bun:test';
import { EXCLUSIVE, isExclusive } from './exclusivity.ts';

test('bytes are exclusive if only this request can have linked them', async () => {
  expect(await isExclusive(EXCLUSIVE)).toBe(true);
  expect(await isExclusive({ kind: 'shared' })).toBe(false);
  for (const ended of [true, false])
    expect(await isExclusive({ kind: 'exclusive-if-ended', ended: Promise.resolve(ended) })).toBe(ended);
});
