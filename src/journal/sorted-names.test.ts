import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { SortedNames } from './sorted-names.ts';

const name = fc.stringMatching(/^[a-cA-C._-]{1,3}$/);
const step = fc.oneof(
  fc.record({ kind: fc.constant('add' as const), name }),
  fc.record({ kind: fc.constant('remove' as const), name }),
  fc.record({ kind: fc.constant('reset' as const) }),
  fc.record({
    kind: fc.constant('page' as const),
    after: fc.option(name, { nil: undefined }),
    limit: fc.nat({ max: 5 }),
  }),
);

describe('sorted names', () => {
  test('page like a plain sorted set, whatever is added and removed between the pages', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const set = new Set<string>();
        const sorted = new SortedNames<string>(() => set);
        for (const each of steps) {
          switch (each.kind) {
            case 'add':
              if (set.has(each.name)) break;
              set.add(each.name);
              sorted.added(each.name);
              break;
            case 'remove':
              if (set.delete(each.name)) sorted.removed(each.name);
              break;
            case 'reset':
              set.clear();
              sorted.reset();
              break;
            case 'page': {
              const { after } = each;
              const left = [...set].sort().filter((candidate) => after === undefined || candidate > after);
              const expected = { names: left.slice(0, each.limit), more: left.length > each.limit };
              expect(sorted.page(after, each.limit)).toEqual(expected);
            }
          }
        }
      }),
    );
  });

  test('a walk of pages gives every name exactly once, in ASCII order', () => {
    const set = new Set(['b', 'A', '_', 'a', '1', 'a.b', 'a-b', 'a/b', 'Z']);
    const sorted = new SortedNames<string>(() => set);
    const walked: string[] = [];
    for (let after: string | undefined, more = true; more; after = walked[walked.length - 1]) {
      const page = sorted.page(after, 2);
      walked.push(...page.names);
      more = page.more;
    }
    expect(walked).toEqual(['1', 'A', 'Z', '_', 'a', 'a-b', 'a.b', 'a/b', 'b']);
  });
});
