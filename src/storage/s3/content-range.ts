import type { ByteRange } from '../driver.ts';

/** Of a request, whose last byte is part of it: one range, with both ends. */
export function parseRequested(range: string | undefined): ByteRange | undefined {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
  return first === undefined || last === undefined ? undefined : { start: Number(first), end: Number(last) + 1 };
}

/** Whether an answer says that its bytes are these; of how many in all, it need not know. */
export function isRange(contentRange: string, { start, end }: ByteRange): boolean {
  const [, first, last] = /^bytes (\d{1,15})-(\d{1,15})\/(?:\d+|\*)$/.exec(contentRange) ?? [];
  return Number(first) === start && Number(last) === end - 1;
}
