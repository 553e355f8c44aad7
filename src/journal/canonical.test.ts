import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { canonicalJson } from './canonical.ts';

const text = (value: unknown): string => new TextDecoder().decode(canonicalJson(value));
const wellFormedJson = fc.jsonValue({ maxDepth: 4, stringUnit: 'grapheme', noUnicodeString: false });

describe('canonical JSON', () => {
  test('sorts keys by their UTF-16 units, at every depth, and writes no space', () => {
    expect(text({ b: [{ d: 1, c: 2 }], a: null, aa: true, A: 'é' })).toBe(
      '{"A":"é","a":null,"aa":true,"b":[{"c":2,"d":1}]}',
    );
  });

  test('leaves out what is undefined', () => {
    expect(text({ a: undefined, b: 1 })).toBe('{"b":1}');
  });

  test('refuses what has no JSON form', () => {
    for (const value of [undefined, Number.NaN, Number.POSITIVE_INFINITY, '\ud800'])
      expect(() => canonicalJson(value)).toThrow();
  });

  test('says the same value, whatever the order of keys was', () => {
    const shuffled = fc.dictionary(fc.string(), wellFormedJson, { noNullPrototype: true });
    fc.assert(
      fc.property(shuffled, (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        expect(text(reversed)).toBe(text(value));
        expect(JSON.parse(text(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
