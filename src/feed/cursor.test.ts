import { describe, expect, test } from 'bun:test';
import { createHmac, hkdfSync } from 'node:crypto';
import fc from 'fast-check';
import { hashSlot, NO_SLOT } from '../journal/events.ts';
import { RegistryError } from '../oci/errors.ts';
import { CursorCodec, checkOf, MAX_CURSOR, type Place } from './cursor.ts';

const STORE = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
const codec = new CursorCodec(STORE);
const numbers = fc.maxSafeNat();
const places: fc.Arbitrary<Place> = fc.record({
  position: fc.record({ note: numbers, entry: numbers, seq: numbers, index: numbers }),
  check: fc.uint8Array().map((bytes) => checkOf(hashSlot(bytes))),
  skip: fc.option(fc.record({ before: numbers, upTo: numbers }), { nil: undefined }),
});

function kindOf(text: string, by = codec): string | undefined {
  try {
    by.decode(text);
    return undefined;
  } catch (error) {
    return error instanceof RegistryError ? error.kind : String(error);
  }
}

describe('a cursor', () => {
  test('says what it was made from, in a text that needs no escaping and stays small', () => {
    fc.assert(
      fc.property(places, (place) => {
        const text = codec.encode(place);
        expect(codec.decode(text)).toEqual(place);
        expect(text).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(text.length).toBeLessThan(100);
      }),
    );
  });

  test('of another store, or one that was altered anywhere, is refused', () => {
    const place: Place = {
      position: { note: 3, entry: 1, seq: 7, index: 0 },
      check: checkOf(NO_SLOT),
      skip: undefined,
    };
    const text = codec.encode(place);
    expect(kindOf(text)).toBeUndefined();
    expect(kindOf(text, new CursorCodec('01ARZ3NDEKTSV4RRFFQ69G5FAW'))).toBe('cursor-invalid');
    const bytes = Buffer.from(text, 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const altered = Buffer.from(bytes);
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(kindOf(altered.toString('base64url'))).toBe('cursor-invalid');
    }
    const characters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    for (const each of characters) {
      const altered = text.slice(0, -1) + each;
      expect(kindOf(altered)).toBe(altered === text ? undefined : 'cursor-invalid');
    }
    for (let length = 0; length < text.length; length++) expect(kindOf(text.slice(0, length))).toBe('cursor-invalid');
  });

  test('with a number that no place has is refused, though its seal is right', () => {
    /** A cursor whose six numbers are these bytes, sealed as anyone can who knows the store. */
    const forged = (numbers: readonly (readonly number[])[]): string => {
      const content = Buffer.concat([Buffer.alloc(8), Buffer.from([1, ...numbers.flat()])]);
      const key = Buffer.from(hkdfSync('sha256', STORE, '', 'marina change cursor', 32));
      const seal = createHmac('sha256', key).update(content).digest().subarray(0, 12);
      return Buffer.concat([seal, content]).toString('base64url');
    };
    const infinite = [...Array<number>(200).fill(255), 1];
    const notANumber = [...Array<number>(200).fill(128), 0];
    const tooLarge = [...Array<number>(8).fill(255), 1];
    const honest = [[1], [0], [0], [0], [5], [5]];
    expect(kindOf(forged(honest))).toBeUndefined();
    for (const bytes of [infinite, notANumber, tooLarge]) {
      for (const place of honest.keys()) expect(kindOf(forged(honest.with(place, bytes)))).toBe('cursor-invalid');
    }
  });

  test('can be no other text', () => {
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => expect(kindOf(text)).toBe('cursor-invalid')));
    expect(kindOf('A'.repeat(MAX_CURSOR + 1))).toBe('cursor-invalid');
  });
});
