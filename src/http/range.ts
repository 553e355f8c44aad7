import { RegistryError } from '../oci/errors.ts';
import type { ContentRange } from '../registry/upload-body.ts';
import type { ByteRange } from '../storage/driver.ts';

/**
 * The bytes that a `Range` header asks for (RFC 9110, section 14). Undefined means the whole: without the header, for another
 * unit, for several ranges and for what is no range at all, all of which a server may ignore.
 * @throws RegistryError `range-unsatisfiable` when it lies behind the end, or ends before it begins
 */
export function parseRange(header: string | null, size: number): ByteRange | undefined {
  const match = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(header ?? '');
  const [, first, last] = match ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
  if (first === '') {
    const length = Math.min(toNumber(last), size);
    if (length === 0) throw unsatisfiable(size);
    return { start: size - length, end: size };
  }
  const start = toNumber(first);
  // "A server … MAY ignore or reject a Range header field that contains an invalid ranges-specifier": the suite wants it rejected.
  if (last !== '' && toNumber(last) < start) {
    throw new RegistryError('range-unsatisfiable', 'the range ends before it begins', { size });
  }
  if (start >= size) throw unsatisfiable(size);
  return { start, end: last === '' ? size : Math.min(toNumber(last) + 1, size) };
}

function toNumber(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER - 1);
}

function unsatisfiable(size: number): RegistryError {
  return new RegistryError('range-unsatisfiable', `the range begins behind the end, at byte ${size}`, { size });
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
