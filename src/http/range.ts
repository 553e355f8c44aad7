import { RegistryError } from '../oci/errors.ts';
import type { ContentRange } from '../registry/upload-body.ts';
import type { ByteRange } from '../storage/driver.ts';

/** More ranges than this in one request are refused: clients then ask for fewer at a time. */
export const MAX_RANGES = 256;

/** The part of a blob that a GET asks for. Ranges are in bytes, never empty, and within the blob. */
export type RequestedRange =
  | { readonly kind: 'whole' }
  | { readonly kind: 'single'; readonly range: ByteRange }
  /** At least two, in the order asked for; no byte is in two of them. */
  | { readonly kind: 'several'; readonly ranges: readonly ByteRange[] };

export const WHOLE = { kind: 'whole' } as const;

/**
 * Parses a `Range` header (RFC 9110, section 14.2). Another unit than bytes asks for the whole. Ranges past the end are dropped
 * if another one can be satisfied; overlapping ranges are merged in the position of the first.
 * @param size bytes of the blob
 * @throws RegistryError `range-unsatisfiable` when no range lies within the blob, or one is malformed; `request-invalid` for more
 * than 256 ranges
 */
export function parseRange(header: string | null, size: number): RequestedRange {
  const [, list] = /^bytes=(.*)$/is.exec(header ?? '') ?? [];
  if (list === undefined) return WHOLE;
  // "A recipient MUST parse and ignore a reasonable number of empty list elements" (RFC 9110, section 5.6.1.2).
  const specifiers = list.split(',').filter((specifier) => /[^ \t]/.test(specifier));
  if (specifiers.length > MAX_RANGES) {
    throw new RegistryError(
      'request-invalid',
      `a request may ask for at most ${MAX_RANGES} ranges: ask for fewer at a time`,
      {
        max: MAX_RANGES,
      },
    );
  }
  if (specifiers.length === 0) throw malformed(size);
  const ranges = specifiers.map((specifier) => parseSpecifier(specifier, size)).filter((range) => range !== undefined);
  const [first, ...others] = withoutOverlaps(ranges);
  if (first === undefined) {
    throw new RegistryError('range-unsatisfiable', `the range begins at or past the end, byte ${size}`, {
      size,
    });
  }
  return others.length === 0 ? { kind: 'single', range: first } : { kind: 'several', ranges: [first, ...others] };
}

/** @returns undefined for a range past the end */
function parseSpecifier(specifier: string, size: number): ByteRange | undefined {
  const [, first, last] = /^[ \t]*(\d*)-(\d*)[ \t]*$/.exec(specifier) ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) throw malformed(size);
  if (first === '') {
    const length = Math.min(toNumber(last), size);
    return length === 0 ? undefined : { start: size - length, end: size };
  }
  const start = toNumber(first);
  // "A server … MAY ignore or reject a Range header field that contains an invalid ranges-specifier": rejected, here and above.
  if (last !== '' && toNumber(last) < start) {
    throw new RegistryError('range-unsatisfiable', 'the range ends before it begins', { size });
  }
  if (start >= size) return undefined;
  return { start, end: last === '' ? size : Math.min(toNumber(last) + 1, size) };
}

/** "A server … MAY coalesce any of the ranges that overlap" (RFC 9110, section 15.3.7.2): so no answer is longer than the blob. */
function withoutOverlaps(ranges: readonly ByteRange[]): readonly ByteRange[] {
  const joined: (ByteRange & { readonly place: number })[] = [];
  const byStart = ranges.map((range, place) => ({ ...range, place })).sort((a, b) => a.start - b.start);
  for (const range of byStart) {
    const before = joined[joined.length - 1];
    if (before === undefined || range.start >= before.end) {
      joined.push(range);
      continue;
    }
    const { start } = before;
    joined[joined.length - 1] = {
      start,
      end: Math.max(before.end, range.end),
      place: Math.min(before.place, range.place),
    };
  }
  return joined.sort((a, b) => a.place - b.place).map(({ start, end }) => ({ start, end }));
}

function toNumber(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER - 1);
}

function malformed(size: number): RegistryError {
  return new RegistryError('range-unsatisfiable', 'the Range must be like bytes=0-1023, bytes=1024- or bytes=-512', {
    size,
  });
}

/**
 * A chunk's Content-Range: "It MUST match the following regular expression: ^[0-9]+-[0-9]+$".
 * @param length the Content-Length, undefined when there is none
 * @throws RegistryError `size-mismatch`, `request-invalid`
 */
export function parseContentRange(header: string | null, length: number | undefined): ContentRange | undefined {
  if (header === null) return undefined;
  const match = /^(\d{1,15})-(\d{1,15})$/.exec(header);
  const [, first, last] = match ?? [];
  if (first === undefined || last === undefined) {
    throw new RegistryError('range-invalid', 'Content-Range must be the first and the last byte, like 0-1023');
  }
  const range = { start: Number(first), end: Number(last) };
  if (range.end < range.start) throw new RegistryError('range-invalid', 'Content-Range ends before it begins');
  const expected = range.end - range.start + 1;
  if (length !== undefined && length !== expected) {
    throw new RegistryError('size-mismatch', `Content-Range has ${expected} bytes, Content-Length ${length}`);
  }
  return range;
}
