import { expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Incarnation } from '../oci/names.ts';
import { formatIntroduction, parseIntroduction } from './protocol.ts';

const ID = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as Incarnation;

test('an introduction arrives as it was given, in a header that HTTP allows', () => {
  fc.assert(
    fc.property(fc.nat(), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 100 }), (note, name) => {
      const text = formatIntroduction({ id: ID, note, name });
      expect(text).toMatch(/^[\x20-\x7e]+$/);
      expect(new Headers({ 'Marina-Replica': text }).get('marina-replica')).toBe(text);
      expect(parseIntroduction(text)).toEqual({ id: ID, note, name });
    }),
  );
});

test.each([
  '',
  ID,
  `${ID} 1`,
  `${ID} -1 a`,
  `${ID} 1.5 a`,
  `${ID} 1234567890123456 a`,
  `${ID} 1 %zz`,
  `${ID} 1 a b`,
  'x 1 a',
  `${ID} 1 ${'a'.repeat(3_000)}`,
])('%p is no introduction', (text) => {
  expect(parseIntroduction(text)).toBeUndefined();
});
