import { decodeTime, encodeTime } from 'ulid';
import type { Incarnation } from '../oci/names.ts';
import { listContains } from '../registry/condemned.ts';
import type { StoreReader } from '../storage/driver.ts';
import { EPOCHS, epochOfFinalKey, finalKey } from '../storage/paths.ts';

/** Lists read before the search is given up: the rounds of collection of about four days, if one ran every hour. */
const MAX_LISTS = 100;
/** The search is also given up after this many milliseconds. */
const MAX_SEARCH_MS = 2_000;
const TIME_CHARACTERS = 10;
const RANDOM_CHARACTERS = 16;

/**
 * When the bytes of an incarnation were freed, as the lists of the rounds of collection say, which are kept.
 * @param since milliseconds; the bytes still existed then
 * @returns the beginning of that round in milliseconds; undefined if no list that was read names the incarnation
 */
export async function collectedAt(
  reader: StoreReader,
  inc: Incarnation,
  since: number,
  now: () => number,
): Promise<number | undefined> {
  const deadline = now() + MAX_SEARCH_MS;
  const from = `${EPOCHS}${encodeTime(since, TIME_CHARACTERS)}${'0'.repeat(RANDOM_CHARACTERS)}`;
  let read = 0;
  for await (const { key } of reader.list(EPOCHS, from)) {
    const epoch = epochOfFinalKey(key);
    if (epoch === undefined) continue;
    if (read++ === MAX_LISTS || now() > deadline) return undefined;
    if (listContains(await reader.read(finalKey(epoch)), inc)) return decodeTime(epoch);
  }
  return undefined;
}
