import { z } from 'zod';
import { jsonOf } from '../../oci/json.ts';
import type { UploadId } from '../../oci/names.ts';
import type { Key } from '../driver.ts';
import { isTailKey } from '../paths.ts';

/** S3 allows part numbers from 1 to this. */
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
  /** The parts that count, in order. S3 keeps all other parts until the upload ends, and drops them then. */
  parts: z.array(part).readonly(),
  /** The bytes after the last part. Its key is never reused, so that an older state still finds its own tail. */
  tail: z.object({ key: z.string(), size: z.number().int().positive() }).optional(),
  /** Tails of earlier states, to be deleted once this state is saved. */
  stale: z.array(z.string()).readonly(),
  /** No part with this number or a higher one was sent, or may be sent. */
  next: z.number().int().min(1),
});

export type StagedPart = z.infer<typeof part>;
export type StagedState = z.infer<typeof state>;

export const NOTHING_STAGED: StagedState = { parts: [], stale: [], next: 1 };

export function encodeState(value: StagedState): string {
  return JSON.stringify(value);
}

/** @throws Error if the text is not a state of that upload that this version knows: the session's record is damaged */
export function decodeState(upload: UploadId, text: string): StagedState {
  const parsed = parseState(upload, text);
  if (parsed === undefined) throw new Error(`the state of the upload ${upload} cannot be read`);
  return parsed;
}

/** undefined for anything but a state of that upload, because keys of other uploads must never be read or deleted. */
function parseState(upload: UploadId, text: string): StagedState | undefined {
  const parsed = state.safeParse(jsonOf(text));
  if (!parsed.success) return undefined;
  const { tail, stale } = parsed.data;
  const keys = tail === undefined ? stale : [...stale, tail.key];
  return keys.every((key) => isTailKey(upload, key)) ? parsed.data : undefined;
}

/** Whether the text is a state of that upload with at least `size` bytes. */
export function isStateOf(upload: UploadId, text: string | undefined, size: number): boolean {
  if (text === undefined) return size === 0;
  const parsed = parseState(upload, text);
  return parsed !== undefined && sizeOfState(parsed) >= size;
}

export function sizeOfParts(parts: readonly StagedPart[]): number {
  return parts.reduce((sum, { size }) => sum + size, 0);
}

export function sizeOfState({ parts, tail }: StagedState): number {
  return sizeOfParts(parts) + (tail?.size ?? 0);
}

/** The first bytes of a staged object: whole parts, then the first bytes of the tail. */
export interface Cut {
  readonly parts: readonly StagedPart[];
  readonly tail: { readonly key: Key; readonly size: number } | undefined;
}

/** undefined if there are fewer bytes, or if the cut is within a part: parts cannot be read or split. */
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
