import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { digests, repositoryNames, tags } from '../../test/support/generators.ts';
import { moments } from '../../test/support/routes.ts';
import { type Comparable, comparableAt, formatComparable, parseComparable } from './comparable.ts';

const references = fc.oneof(
  tags.map((tag) => ({ kind: 'tag' as const, tag })),
  digests.map((digest) => ({ kind: 'digest' as const, digest })),
);
const addresses = fc.record(
  { repo: repositoryNames, reference: references, at: moments },
  { requiredKeys: ['repo', 'reference'] },
);
const comparables: fc.Arbitrary<Comparable> = fc.oneof(
  fc.record({ kind: fc.constant('manifest' as const), address: addresses }),
  fc.record({
    kind: fc.constant('repository' as const),
    repo: repositoryNames,
    at: fc.option(moments, { nil: undefined }),
  }),
);

test('what can be compared is read as it is written', () => {
  fc.assert(fc.property(comparables, (each) => expect(parseComparable(formatComparable(each))).toEqual(each)));
});

test.each([
  ['app:v1', 'app:v1@12'],
  ['app', 'app@12'],
  ['app:v1@7', 'app:v1@7'],
  ['app@7', 'app@7'],
])('%p at slot 12 is %p', (text, expected) => {
  const found = parseComparable(text);
  if (found === undefined) throw new Error(`${text} cannot be read`);
  expect(formatComparable(comparableAt(found, { kind: 'slot', seq: 12 }))).toBe(expected);
});

test.each([
  '',
  ':v1',
  'App:v1',
  'app:',
  'app@',
  'app:v1@',
  'app:v1@v2',
  'app@sha256:0',
  'app@@12',
  'app:v1@12@13',
  'a b',
])('%p is nothing that can be compared', (text) => expect(parseComparable(text)).toBeUndefined());
