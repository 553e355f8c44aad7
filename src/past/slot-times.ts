import { READ_AHEAD, readSlotTime, slotsAfter } from '../journal/log.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';

/**
 * How far the clocks of the nodes that write to one repository may differ, in milliseconds. Slots are ordered by their numbers; their
 * times are in that order except for this difference.
 */
export const CLOCK_DIFFERENCE_MS = 30_000;

/**
 * The last slot at or before a time: all slots before the first one that is later.
 * @param until milliseconds
 * @returns 0 if there is none
 */
export async function lastSlotAt(reader: StoreReader, repo: RepositoryName, until: number): Promise<number> {
  let last = await slotBefore(reader, repo, until, 0);
  for await (const { batch } of slotsAfter(reader, repo, last, READ_AHEAD)) {
    if (Date.parse(batch.at) > until) break;
    last = batch.seq;
  }
  return last;
}

/**
 * A slot up to which all slots are at or before a time, near the last such slot. It reads about two slots for each doubling of the
 * log's length.
 * @param until milliseconds
 * @param from a slot that is known to be at or before the time, or 0
 * @returns its number, at least `from`
 */
export function slotBefore(reader: StoreReader, repo: RepositoryName, until: number, from: number): Promise<number> {
  return slotBeforeIn((seq) => readSlotTime(reader, repo, seq), until, from);
}

/** As slotBefore. @param timeOf a slot's time in milliseconds; undefined if the slot does not exist */
export async function slotBeforeIn(
  timeOf: (seq: number) => number | undefined | Promise<number | undefined>,
  until: number,
  from: number,
): Promise<number> {
  const isBefore = async (seq: number): Promise<boolean> => {
    const at = await timeOf(seq);
    return at !== undefined && at <= until - CLOCK_DIFFERENCE_MS;
  };
  let low = from;
  let step = 1;
  while (await isBefore(low + step)) {
    low += step;
    step *= 2;
  }
  // low is before the time; low + step is not, or does not exist.
  for (let high = low + step; high - low > 1; ) {
    const middle = Math.floor((low + high) / 2);
    if (await isBefore(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** As lastSlotAt, in a log whose slots have these times. */
export async function lastSlotIn(times: readonly number[], until: number): Promise<number> {
  const before = await slotBeforeIn((seq) => times[seq - 1], until, 0);
  const later = times.slice(before).findIndex((at) => at > until);
  return later === -1 ? times.length : before + later;
}
