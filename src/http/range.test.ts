import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type ErrorKind, RegistryError } from '../oci/errors.ts';
import { MAX_RANGES, parseContentRange, parseRange, type RequestedRange } from './range.ts';

function attempt<T>(work: () => T): T | ErrorKind {
  try {
    return work();
  } catch (error) {
    if (error instanceof RegistryError) return error.kind;
    throw error;
  }
}

const WHOLE = { kind: 'whole' } as const;
const single = (start: number, end: number): RequestedRange => ({ kind: 'single', range: { start, end } });
const several = (...ranges: [start: number, end: number][]): RequestedRange => ({
  kind: 'several',
  ranges: ranges.map(([start, end]) => ({ start, end })),
});

describe('the Range of a request', () => {
  test.each<[string | null, number, RequestedRange | ErrorKind]>([
    [null, 10, WHOLE],
    ['', 10, WHOLE],
    ['bytes=0-0', 10, single(0, 1)],
    ['bytes=0-9', 10, single(0, 10)],
    ['bytes=0-99', 10, single(0, 10)],
    ['bytes=9-9', 10, single(9, 10)],
    ['bytes=5-', 10, single(5, 10)],
    ['bytes=-3', 10, single(7, 10)],
    ['bytes=-10', 10, single(0, 10)],
    ['bytes=-99', 10, single(0, 10)],
    ['BYTES=1-2', 10, single(1, 3)],
    ['bytes= 1-2 ', 10, single(1, 3)],
    [`bytes=0-${'9'.repeat(400)}`, 10, single(0, 10)],
    [`bytes=-${'9'.repeat(400)}`, 10, single(0, 10)],
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
    ['bytes', 10, WHOLE],
    ['bytes=0-1,x', 10, 'range-unsatisfiable'],
    ['bytes=,', 10, 'range-unsatisfiable'],
    ['bytes=a-b', 10, 'range-unsatisfiable'],
    ['bytes=--1', 10, 'range-unsatisfiable'],
    ['bytes=+1-2', 10, 'range-unsatisfiable'],
    ['bytes=1-2-3', 10, 'range-unsatisfiable'],
    ['bytes=1.0-2', 10, 'range-unsatisfiable'],
    ['bytes=0x1-2', 10, 'range-unsatisfiable'],
    ['bytes=\u0661-\u0662', 10, 'range-unsatisfiable'],
    ['items=0-1', 10, WHOLE],
    ['0-1', 10, WHOLE],
    // Several ranges keep the order of the request.
    ['bytes=0-1,3-4', 10, several([0, 2], [3, 5])],
    ['bytes=8-9,0-1', 10, several([8, 10], [0, 2])],
    ['bytes=-1, 3-4,,5-6', 10, several([9, 10], [3, 5], [5, 7])],
    ['bytes=0-1,2-3', 10, several([0, 2], [2, 4])],
    // Overlapping ranges are merged at the position of the first.
    ['bytes=0-3,2-5', 10, single(0, 6)],
    ['bytes=8-9,0-3,2-5', 10, several([8, 10], [0, 6])],
    ['bytes=2-5,8-9,0-3', 10, several([0, 6], [8, 10])],
    ['bytes=0-,0-,0-', 10, single(0, 10)],
    // Ranges past the end are dropped if another one is left.
    ['bytes=0-1,10-', 10, single(0, 2)],
    ['bytes=0-1,-0,4-5', 10, several([0, 2], [4, 6])],
    ['bytes=10-,20-', 10, 'range-unsatisfiable'],
    ['bytes=0-1,5-4', 10, 'range-unsatisfiable'],
    [`bytes=${list(MAX_RANGES)}`, 1_000, several(...pairs(MAX_RANGES))],
    [`bytes=${list(MAX_RANGES + 1)}`, 1_000, 'request-invalid'],
  ])('%j of %d bytes', (header, size, expected) => {
    expect(attempt(() => parseRange(header, size))).toEqual(expected);
  });

  test('is within the blob, has no byte twice, and covers the requested bytes', () => {
    const end = fc.option(fc.nat({ max: 40 }), { nil: undefined });
    fc.assert(
      fc.property(fc.array(fc.tuple(end, end), { minLength: 1, maxLength: 5 }), fc.nat({ max: 30 }), (asked, size) => {
        const range = attempt(() =>
          parseRange(`bytes=${asked.map(([first, last]) => `${first ?? ''}-${last ?? ''}`).join()}`, size),
        );
        const whole = Array.from({ length: size }, (_, index) => index);
        const wanted = new Set(
          asked.flatMap(([first, last]) =>
            first === undefined ? whole.slice(Math.max(0, size - (last ?? 0))) : whole.slice(first, (last ?? size) + 1),
          ),
        );
        const isMalformed = asked.some(([first, last]) =>
          first === undefined ? last === undefined : last !== undefined && last < first,
        );
        if (isMalformed || wanted.size === 0) {
          expect(range).toBe('range-unsatisfiable');
          return;
        }
        if (typeof range === 'string' || range.kind === 'whole') throw new Error(`answered with ${String(range)}`);
        const ranges = range.kind === 'single' ? [range.range] : range.ranges;
        const named = ranges.flatMap(({ start, end: after }) => whole.slice(start, after));
        expect(named.length).toBe(wanted.size);
        expect(new Set(named)).toEqual(wanted);
        for (const each of ranges) expect(each.end).toBeGreaterThan(each.start);
        if (range.kind === 'several') expect(ranges.length).toBeGreaterThan(1);
      }),
    );
  });

  test('is a range, the whole blob, or unsatisfiable for any header', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.boolean(), fc.nat(), (text, prefixed, size) => {
        const range = attempt(() => parseRange(prefixed ? `bytes=${text}` : text, size));
        if (typeof range === 'string') expect(range).toBe('range-unsatisfiable');
      }),
    );
  });
});

function pairs(count: number): [start: number, end: number][] {
  return Array.from({ length: count }, (_, index) => [3 * index, 3 * index + 2]);
}

function list(count: number): string {
  return pairs(count)
    .map(([start, end]) => `${start}-${end - 1}`)
    .join(',');
}

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
