import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { firstOf } from './first-of.ts';

test('the first items are those of the sorted list', () => {
  const order = (one: number, other: number) => one - other;
  fc.assert(
    fc.property(fc.array(fc.integer(), { maxLength: 3_000, size: 'max' }), fc.nat(40), (items, count) =>
      expect(firstOf(items, count, order)).toEqual(items.toSorted(order).slice(0, count)),
    ),
    { numRuns: 50 },
  );
});
