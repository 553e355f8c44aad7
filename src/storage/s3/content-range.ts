import type { ByteRange } from '../driver.ts';

/** Parses the Range header of a request: one range with both ends, the last byte included. */
export function parseRangeHeader(range: string | undefined): ByteRange | undefined {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
  return first === undefined || last === undefined ? undefined : { start: Number(first), end: Number(last) + 1 };
}

/** Whether a Content-Range header names these bytes, of any total length. */
export function isRange(contentRange: string, { start, end }: ByteRange): boolean {
  const [, first, last] = /^bytes (\d{1,15})-(\d{1,15})\/(?:\d+|\*)$/.exec(contentRange) ?? [];
  return Number(first) === start && Number(last) === end - 1;
}
