import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { SortedSet } from './sorted-set.ts';

const name = fc.stringMatching(/^[a-cA-C._-]{1,3}$/);
const step = fc.record({ adds: fc.boolean(), name });

function expectedPage(all: ReadonlySet<string>, after: string | undefined, limit: number) {
  const left = [...all].sort().filter((each) => after === undefined || each > after);
  return { names: left.slice(0, limit), more: left.length > limit };
}

describe('a sorted set', () => {
  test('pages like a plain set that is sorted each time', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.option(name, { nil: undefined }),
        fc.nat({ max: 5 }),
        (steps, after, limit) => {
          const [plain, sorted] = [new Set<string>(), new SortedSet<string>()];
          for (const each of steps) {
            if (each.adds) plain.add(each.name);
            else plain.delete(each.name);
            if (each.adds) sorted.add(each.name);
            else sorted.delete(each.name);
            expect(sorted.page(after, limit)).toEqual(expectedPage(plain, after, limit));
          }
          expect([...sorted]).toEqual([...plain].sort());
          expect(sorted.size).toBe(plain.size);
        },
      ),
    );
  });

  test('of many chunks gives every name once, from every place, in whatever order they came and went', () => {
    const names = Array.from({ length: 5_000 }, (_, index) => String((index * 7919) % 5_000).padStart(4, '0'));
    const sorted = new SortedSet<string>();
    for (const each of names) sorted.add(each);
    for (const each of names) if (Number(each) % 3 === 0) sorted.delete(each);
    const left = new Set(names.filter((each) => Number(each) % 3 !== 0));
    expect([...sorted]).toEqual([...left].sort());
    for (const after of [undefined, '', '0000', '0001', '1023', '1024', '2500', '4999', '9']) {
      for (const limit of [0, 1, 700, 10_000]) {
        expect(sorted.page(after, limit)).toEqual(expectedPage(left, after, limit));
      }
    }
    for (const each of left) sorted.delete(each);
    expect([sorted.size, sorted.page(undefined, 10)]).toEqual([0, { names: [], more: false }]);
  });
});
