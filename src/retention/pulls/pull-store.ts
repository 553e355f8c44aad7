import { z } from 'zod';
import type { Key, ObjectStore, StoreReader } from '../../storage/driver.ts';
import { PULLS, PULLS_BEGAN, pullsKey } from '../../storage/paths.ts';
import { HOUR, PullTimes } from './pull-times.ts';

/** Names that are told apart where all that is known is put together. */
const MOST_NAMES = 1_000_000;
/** Two processes may put the same objects together: the loser begins again. */
const ATTEMPTS = 10;

const began = z.object({ at: z.iso.datetime() });

/** To be called before the first pull is recorded. What was pulled before that nobody knows. */
export async function beginRecording(driver: ObjectStore, now: number): Promise<void> {
  await driver.create(
    PULLS_BEGAN,
    new TextEncoder().encode(`${JSON.stringify({ at: new Date(now).toISOString() })}\n`),
  );
}

/** To be called by whoever serves pulls without recording them. */
export async function endRecording(driver: ObjectStore): Promise<void> {
  const [failure] = await driver.delete([PULLS_BEGAN]);
  if (failure !== undefined) throw failure.cause;
}

/** All that was recorded. */
export interface KnownPulls {
  readonly times: PullTimes;
  /** Before this nothing was recorded; milliseconds. */
  readonly began: number;
  /** The objects that it is put together from. */
  readonly keys: readonly Key[];
}

/** @throws Error when an object cannot be read, or is none of this version: then nobody knows what was pulled */
export async function readPulls(driver: StoreReader, now: number): Promise<KnownPulls> {
  for (let attempt = 1; ; attempt++) {
    const found = await readOnce(driver, now);
    if (found !== undefined) return found;
    if (attempt === ATTEMPTS) throw new Error('the times of pulls are being put together all the time: try again');
  }
}

async function readOnce(driver: StoreReader, now: number): Promise<KnownPulls | undefined> {
  const start = await driver.read(PULLS_BEGAN);
  const times = new PullTimes(MOST_NAMES);
  const keys: Key[] = [];
  for await (const { key } of driver.list(PULLS)) {
    const bytes = await driver.read(key);
    // Somebody put it together with others meanwhile, into one that this listing may not have.
    if (bytes === undefined) return undefined;
    try {
      times.merge(await PullTimes.decode(bytes, MOST_NAMES));
    } catch (cause) {
      throw new Error(`the times of pulls in ${key} cannot be read`, { cause });
    }
    keys.push(key);
  }
  const at = start === undefined ? now : Date.parse(began.parse(JSON.parse(new TextDecoder().decode(start))).at);
  return { times, began: at, keys };
}

/**
 * Puts many objects together into one, without what is too old to matter.
 * @param window the longest time that a rule looks back, in milliseconds
 */
export async function compactPulls(
  driver: ObjectStore,
  { times, keys }: KnownPulls,
  options: { readonly now: number; readonly window: number; readonly newId: () => string },
): Promise<void> {
  if (keys.length < 2) return;
  // Two hours more: clocks differ, and hours are not told from their beginning.
  const oldest = Math.floor((options.now - options.window) / HOUR) - 2;
  await driver.put(pullsKey(options.newId()), await times.since(oldest).encode());
  await driver.delete(keys);
}
