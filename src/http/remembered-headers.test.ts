import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { RememberedHeaders } from './remembered-headers.ts';

test('a header is found as long as its credentials are accepted again, and then never', () => {
  const headers = new RememberedHeaders<string>();
  let isAccepted = true;
  headers.add('Basic YTpi', { value: 'alice', acceptAgain: () => isAccepted });
  expect([headers.find('Basic YTpi'), headers.find('Basic YTpi')]).toEqual(['alice', 'alice']);
  isAccepted = false;
  expect(headers.find('Basic YTpi')).toBeUndefined();
  isAccepted = true;
  expect(headers.find('Basic YTpi')).toBeUndefined();
});

test('no other header is found', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (one, other) => {
      const headers = new RememberedHeaders<string>();
      headers.add(one, { value: one, acceptAgain: () => true });
      expect(headers.find(other)).toBe(one === other ? one : undefined);
    }),
  );
});

test('the oldest are dropped beyond 10,000', () => {
  const headers = new RememberedHeaders<number>();
  for (let n = 0; n <= 10_000; n++) headers.add(`Basic ${n}`, { value: n, acceptAgain: () => true });
  expect([headers.find('Basic 0'), headers.find('Basic 1'), headers.find('Basic 10000')]).toEqual([
    undefined,
    1,
    10_000,
  ]);
});
