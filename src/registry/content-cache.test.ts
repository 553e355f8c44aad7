import { expect, test } from 'bun:test';
import { countingIncarnations, TestClock } from '../../test/support/deterministic.ts';
import { ContentCache } from './content-cache.ts';

const newIncarnation = countingIncarnations(new TestClock().now);

test('keeps the most recently used entries within its budget', () => {
  const cache = new ContentCache(10_000);
  const names = Array.from({ length: 20 }, newIncarnation);
  for (const name of names) {
    cache.set(name, new Uint8Array(1000));
    expect(cache.size).toBeLessThanOrEqual(10_000);
    const [first] = names;
    if (first !== undefined) expect(cache.get(first)?.length).toBe(1000);
  }
  expect(names.filter((name) => cache.get(name) !== undefined)).toEqual(
    names.filter((_, index) => index === 0 || index > 15),
  );
});

test('rejects entries larger than its budget, and works with no budget', () => {
  const [name] = [newIncarnation()];
  for (const budget of [0, 1000]) {
    const cache = new ContentCache(budget);
    cache.set(name, new Uint8Array(1000));
    expect(cache.get(name)).toBeUndefined();
    expect(cache.size).toBe(0);
  }
});
