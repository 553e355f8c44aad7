import { z } from 'zod';
import type { Key } from '../driver.ts';

/** The numbers that S3 allows: 1 to this. */
export const LAST_PART_NUMBER = 10_000;

const part = z.object({
  n: z.number().int().min(1).max(LAST_PART_NUMBER),
  size: z.number().int().positive(),
  etag: z.string(),
  /** CRC-32, base64. */
  crc: z.string(),
});

const state = z.object({
  /** S3's id of the multipart upload; absent before its first part. */
  upload: z.string().optional(),
  /** The parts that count, in their order. S3 keeps whatever else was sent until the end and drops it then. */
  parts: z.array(part).readonly(),
  /** The bytes behind the last part. Its key is never used again, so that who has an older state finds its own. */
  tail: z.object({ key: z.string(), size: z.number().int().positive() }).optional(),
  /** Tails of the states before this one: to be deleted once this one was saved. */
  stale: z.array(z.string()).readonly(),
  /** Nobody has sent, or may send, a part of this number or a higher one. */
  next: z.number().int().min(1),
});

export type StagedPart = z.infer<typeof part>;
export type StagedState = z.infer<typeof state>;

export const NOTHING_STAGED: StagedState = { parts: [], stale: [], next: 1 };

export function encodeState(value: StagedState): string {
  return JSON.stringify(value);
}

/** @throws Error when it is none of this version's states: the session's record is damaged */
export function decodeState(text: string): StagedState {
  return state.parse(JSON.parse(text));
}

export function sizeOfParts(parts: readonly StagedPart[]): number {
  return parts.reduce((sum, { size }) => sum + size, 0);
}

export function sizeOfState({ parts, tail }: StagedState): number {
  return sizeOfParts(parts) + (tail?.size ?? 0);
}

/** The first bytes of what is staged: whole parts, then so many bytes of the tail. */
export interface Cut {
  readonly parts: readonly StagedPart[];
  readonly tail: { readonly key: Key; readonly size: number } | undefined;
}

/** undefined when so many bytes are not there, or end within a part: parts cannot be read, nor cut. */
export function cutState({ parts, tail }: StagedState, size: number): Cut | undefined {
  let left = size;
  const whole: StagedPart[] = [];
  for (const each of parts) {
    if (left < each.size) break;
    whole.push(each);
    left -= each.size;
  }
  if (left === 0) return { parts: whole, tail: undefined };
  if (whole.length < parts.length || tail === undefined || left > tail.size) return undefined;
  return { parts: whole, tail: { key: tail.key, size: left } };
}
