import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { tags as anyTags } from '../../../test/support/generators.ts';
import { orderTags, TAG_ORDERS } from './tag-order.ts';

function names(order: (typeof TAG_ORDERS)[number], ...tags: readonly (readonly [string, number])[]): string[] {
  return orderTags(
    tags.map(([tag, set]) => ({ tag, set })),
    order,
  ).map(({ tag }) => tag);
}

test('by time the newest is first, and the name decides between equal times', () => {
  expect(names('time', ['b', 1], ['a', 1], ['c', 2])).toEqual(['c', 'a', 'b']);
});

test('by name the order is that of bytes', () => {
  expect(names('name', ['b', 1], ['a', 2], ['B', 3])).toEqual(['B', 'a', 'b']);
});

test('by version the highest is first, releases before their candidates, and other tags follow by name', () => {
  const tags = [
    'latest',
    '1.9.0',
    'v1.10.0',
    '1.10.0-rc.1',
    '2',
    '1.2',
    'edge',
    '1.2-alpine',
    '1.0.0_build.2',
    '1.0.0_build.1',
  ];
  expect(names('semver', ...tags.map((tag) => [tag, 0] as const))).toEqual([
    ...['2', 'v1.10.0', '1.10.0-rc.1', '1.9.0', '1.2', '1.2-alpine', '1.0.0_build.2', '1.0.0_build.1'],
    ...['edge', 'latest'],
  ]);
});

test('every order keeps every tag, and does not depend on the order before', () => {
  const some = fc.uniqueArray(fc.record({ tag: anyTags, set: fc.nat(5) }), { selector: ({ tag }) => tag });
  fc.assert(
    fc.property(some, fc.constantFrom(...TAG_ORDERS), (tags, order) => {
      const ordered = orderTags(tags, order);
      expect(orderTags([...tags].reverse(), order)).toEqual(ordered);
      expect(new Set(ordered)).toEqual(new Set(tags));
    }),
  );
});
