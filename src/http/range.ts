import { RegistryError } from '../oci/errors.ts';
import type { ContentRange } from '../registry/upload-body.ts';
import type { ByteRange } from '../storage/driver.ts';

/** Several ranges in one header; empty elements of a list do not count (RFC 9110, section 5.6.1). */
const SEVERAL = /^[ \t,]*(?:\d+-\d*|-\d+)(?:[ \t]*,(?:[ \t]*(?:\d+-\d*|-\d+))?)*[ \t]*$/;

/**
 * The bytes that a `Range` header asks for (RFC 9110, section 14). Undefined means the whole: without the header, for another
 * unit, and for several ranges, which a server may ignore.
 * @throws RegistryError `range-unsatisfiable` when it lies behind the end, ends before it begins, or is no range of bytes at all
 */
export function parseRange(header: string | null, size: number): ByteRange | undefined {
  const [, specifier] = /^bytes=(.*)$/is.exec(header ?? '') ?? [];
  if (specifier === undefined) return undefined;
  const [, first, last] = /^[ \t]*(\d*)-(\d*)[ \t]*$/.exec(specifier) ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) {
    if (SEVERAL.test(specifier)) return undefined;
    throw new RegistryError('range-unsatisfiable', 'the Range must be like bytes=0-1023, bytes=1024- or bytes=-512', {
      size,
    });
  }
  if (first === '') {
    const length = Math.min(toNumber(last), size);
    if (length === 0) throw unsatisfiable(size);
    return { start: size - length, end: size };
  }
  const start = toNumber(first);
  // "A server … MAY ignore or reject a Range header field that contains an invalid ranges-specifier": rejected, here and above.
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
