import { RegistryError } from '../oci/errors.ts';
import type { ContentRange } from '../registry/upload-body.ts';
import type { ByteRange } from '../storage/driver.ts';

/** Maximum ranges in one request. */
export const MAX_RANGES = 256;

/** The part of a blob that a GET requests. Ranges are in bytes, never empty, and within the blob. */
export type RequestedRange =
  | { readonly kind: 'whole' }
  | { readonly kind: 'single'; readonly range: ByteRange }
  /** At least two, in the order of the request. They do not overlap. */
  | { readonly kind: 'several'; readonly ranges: readonly ByteRange[] };

export const WHOLE = { kind: 'whole' } as const;

/**
 * Parses a `Range` header (RFC 9110, section 14.2). A unit other than bytes is ignored: the response is the whole blob. Ranges past the
 * end are dropped if another one can be satisfied; overlapping ranges are merged at the position of the first.
 * @param size of the blob, in bytes
 * @throws RegistryError `range-unsatisfiable` if no range is within the blob, or one is malformed; `request-invalid` for more than
 * MAX_RANGES ranges
 */
export function parseRange(header: string | null, size: number): RequestedRange {
  const [, list] = /^bytes=(.*)$/is.exec(header ?? '') ?? [];
  if (list === undefined) return WHOLE;
  // "A recipient MUST parse and ignore a reasonable number of empty list elements" (RFC 9110, section 5.6.1.2).
  const specifiers = list.split(',').filter((specifier) => /[^ \t]/.test(specifier));
  if (specifiers.length > MAX_RANGES) {
    throw new RegistryError(
      'request-invalid',
      `a request may have at most ${MAX_RANGES} ranges: request fewer at a time`,
      {
        max: MAX_RANGES,
      },
    );
  }
  if (specifiers.length === 0) throw malformed(size);
  const ranges = specifiers.map((specifier) => parseSpecifier(specifier, size)).filter((range) => range !== undefined);
  const [first, ...others] = withoutOverlaps(ranges);
  if (first === undefined) {
    throw new RegistryError(
      'range-unsatisfiable',
      `the range starts past the end of the blob, which has ${size} bytes`,
      {
        size,
      },
    );
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
  // "A server … MAY ignore or reject a Range header field that contains an invalid ranges-specifier". Marina rejects it.
  if (last !== '' && toNumber(last) < start) {
    throw new RegistryError('range-unsatisfiable', 'the range ends before it begins', { size });
  }
  if (start >= size) return undefined;
  return { start, end: last === '' ? size : Math.min(toNumber(last) + 1, size) };
}

/** "A server … MAY coalesce any of the ranges that overlap" (RFC 9110, section 15.3.7.2). This bounds the response by the blob's size. */
function withoutOverlaps(ranges: readonly ByteRange[]): readonly ByteRange[] {
  const merged: (ByteRange & { readonly position: number })[] = [];
  const byStart = ranges.map((range, position) => ({ ...range, position })).sort((a, b) => a.start - b.start);
  for (const range of byStart) {
    const previous = merged[merged.length - 1];
    if (previous === undefined || range.start >= previous.end) {
      merged.push(range);
      continue;
    }
    const { start } = previous;
    merged[merged.length - 1] = {
      start,
      end: Math.max(previous.end, range.end),
      position: Math.min(previous.position, range.position),
    };
  }
  return merged.sort((a, b) => a.position - b.position).map(({ start, end }) => ({ start, end }));
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
 * Parses a chunk's Content-Range: "It MUST match the following regular expression: ^[0-9]+-[0-9]+$".
 * @param length the Content-Length; undefined if there is none
 * @throws RegistryError `size-mismatch`, `range-invalid`
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
