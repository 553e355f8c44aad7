import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { parsePartialJson } from './partial-json.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

test('a whole document is parsed as it is', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      for (const isCut of [false, true]) {
        const isContainer = /^\s*[[{]/.test(text);
        if (isCut && !isContainer) continue;
        expect(parsePartialJson(bytesOf(text), isCut)?.value).toEqual(JSON.parse(text));
      }
    }),
  );
});

/** Whether `part` has nothing that `whole` does not have. */
function isPartOf(part: unknown, whole: unknown): boolean {
  if (typeof part !== 'object' || part === null || typeof whole !== 'object' || whole === null) {
    return Object.is(part, whole);
  }
  return Object.entries(part).every(
    ([name, each]) => Object.hasOwn(whole, name) && isPartOf(each, Object.getOwnPropertyDescriptor(whole, name)?.value),
  );
}

test('of a document that was cut anywhere every whole value is kept, and nothing is made up', () => {
  const documents = fc.oneof(fc.array(fc.jsonValue()), fc.dictionary(fc.string(), fc.jsonValue()));
  fc.assert(
    fc.property(documents, fc.double({ min: 0, max: 1, noNaN: true }), (value, share) => {
      // JSON has no -0.
      const whole: unknown = JSON.parse(JSON.stringify(value));
      const bytes = bytesOf(JSON.stringify(value));
      const cut = bytes.subarray(0, Math.max(1, Math.floor(share * bytes.length)));
      const parsed = parsePartialJson(cut, true);
      expect(parsed).toBeDefined();
      expect(isPartOf(parsed?.value, whole)).toBe(true);
    }),
    { numRuns: 500 },
  );
  expect(parsePartialJson(bytesOf('{"a":[1,2,{"b":'), true)?.value).toEqual({ a: [1, 2, {}] });
  expect(parsePartialJson(bytesOf('{"a":[1,2,{"b":"x, y]'), true)?.value).toEqual({ a: [1, 2, {}] });
});

test('what is no JSON, too deep, or an object with very many members is not parsed', () => {
  for (const text of ['', '{', 'x', '[1', '{"a":1}}', '[1,]'])
    expect(parsePartialJson(bytesOf(text), false)).toBeUndefined();
  expect(parsePartialJson(bytesOf('x'), true)).toBeUndefined();
  expect(parsePartialJson(bytesOf('['.repeat(2_000_000)), true)).toBeUndefined();
  const members = Array.from({ length: 30_000 }, (_, index) => `"${index}":0`);
  expect(parsePartialJson(bytesOf(`{${members.join(',')}}`), false)).toBeUndefined();
});
