import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type ErrorKind, RegistryError } from '../oci/errors.ts';
import { parseContentRange, parseRange } from './range.ts';

function attempt<T>(work: () => T): T | ErrorKind {
  try {
    return work();
  } catch (error) {
    if (error instanceof RegistryError) return error.kind;
    throw error;
  }
}

describe('the Range of a request', () => {
  test.each<[string | null, number, ReturnType<typeof parseRange> | ErrorKind]>([
    [null, 10, undefined],
    ['', 10, undefined],
    ['bytes=0-0', 10, { start: 0, end: 1 }],
    ['bytes=0-9', 10, { start: 0, end: 10 }],
    ['bytes=0-99', 10, { start: 0, end: 10 }],
    ['bytes=9-9', 10, { start: 9, end: 10 }],
    ['bytes=5-', 10, { start: 5, end: 10 }],
    ['bytes=-3', 10, { start: 7, end: 10 }],
    ['bytes=-10', 10, { start: 0, end: 10 }],
    ['bytes=-99', 10, { start: 0, end: 10 }],
    ['BYTES=1-2', 10, { start: 1, end: 3 }],
    ['bytes= 1-2 ', 10, { start: 1, end: 3 }],
    [`bytes=0-${'9'.repeat(400)}`, 10, { start: 0, end: 10 }],
    [`bytes=-${'9'.repeat(400)}`, 10, { start: 0, end: 10 }],
    ['bytes=10-', 10, 'range-unsatisfiable'],
    ['bytes=10-20', 10, 'range-unsatisfiable'],
    [`bytes=${'9'.repeat(400)}-`, 10, 'range-unsatisfiable'],
    ['bytes=-0', 10, 'range-unsatisfiable'],
    ['bytes=0-', 0, 'range-unsatisfiable'],
    ['bytes=0-0', 0, 'range-unsatisfiable'],
    ['bytes=-1', 0, 'range-unsatisfiable'],
    ['bytes=5-4', 10, 'range-unsatisfiable'],
    ['bytes=500-0', 10, 'range-unsatisfiable'],
    ['bytes=5-0', 10, 'range-unsatisfiable'],
    ['bytes=-', 10, 'range-unsatisfiable'],
    ['bytes=', 10, 'range-unsatisfiable'],
    ['bytes', 10, undefined],
    ['bytes=0-1,x', 10, 'range-unsatisfiable'],
    ['bytes=,', 10, 'range-unsatisfiable'],
    ['bytes=0-1,3-4', 10, undefined],
    ['bytes=-1, 3-,,5-6', 10, undefined],
    ['bytes=a-b', 10, 'range-unsatisfiable'],
    ['bytes=--1', 10, 'range-unsatisfiable'],
    ['bytes=+1-2', 10, 'range-unsatisfiable'],
    ['bytes=1-2-3', 10, 'range-unsatisfiable'],
    ['bytes=1.0-2', 10, 'range-unsatisfiable'],
    ['bytes=0x1-2', 10, 'range-unsatisfiable'],
    ['bytes=١-٢', 10, 'range-unsatisfiable'],
    ['items=0-1', 10, undefined],
    ['0-1', 10, undefined],
  ])('%j of %d bytes', (header, size, expected) => {
    expect(attempt(() => parseRange(header, size))).toEqual(expected);
  });

  test('is never outside of the object, never empty, and what was asked for', () => {
    const end = fc.option(fc.nat({ max: 40 }), { nil: undefined });
    fc.assert(
      fc.property(end, end, fc.nat({ max: 30 }), (first, last, size) => {
        const range = attempt(() => parseRange(`bytes=${first ?? ''}-${last ?? ''}`, size));
        const whole = Array.from({ length: size }, (_, index) => index);
        const wanted =
          first === undefined ? whole.slice(Math.max(0, size - (last ?? 0))) : whole.slice(first, (last ?? size) + 1);
        if (typeof range === 'string') expect(wanted).toEqual([]);
        else if (range !== undefined) {
          expect(whole.slice(range.start, range.end)).toEqual(wanted);
          expect(range.end - range.start).toBeGreaterThan(0);
          expect(range.end).toBeLessThanOrEqual(size);
        }
      }),
    );
  });

  test('is a range, the whole or unsatisfiable for any header', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.boolean(), fc.nat(), (text, prefixed, size) => {
        const range = attempt(() => parseRange(prefixed ? `bytes=${text}` : text, size));
        if (typeof range === 'string') expect(range).toBe('range-unsatisfiable');
      }),
    );
  });
});

describe('the Content-Range of a chunk', () => {
  test.each<[string | null, number | undefined, ReturnType<typeof parseContentRange> | ErrorKind]>([
    [null, 5, undefined],
    ['0-4', 5, { start: 0, end: 4 }],
    ['0-4', undefined, { start: 0, end: 4 }],
    ['7-7', 1, { start: 7, end: 7 }],
    ['999999999999990-999999999999999', 10, { start: 999999999999990, end: 999999999999999 }],
    ['0-4', 4, 'size-mismatch'],
    ['0-4', 6, 'size-mismatch'],
    ['0-0', 0, 'size-mismatch'],
    ['4-0', undefined, 'range-invalid'],
    ['', 5, 'range-invalid'],
    ['0-', 5, 'range-invalid'],
    ['-4', 5, 'range-invalid'],
    ['bytes 0-4/5', 5, 'range-invalid'],
    ['bytes=0-4', 5, 'range-invalid'],
    ['0-4/5', 5, 'range-invalid'],
    ['0 - 4', 5, 'range-invalid'],
    ['0-4\n', 5, 'range-invalid'],
    ['-1-4', 5, 'range-invalid'],
    ['0x0-4', 5, 'range-invalid'],
    [`0-${'9'.repeat(16)}`, 5, 'range-invalid'],
  ])('%j with %p bytes', (header, length, expected) => {
    expect(attempt(() => parseContentRange(header, length))).toEqual(expected);
  });
});
