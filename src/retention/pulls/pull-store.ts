import { z } from 'zod';
import type { Key, ObjectStore, StoreReader } from '../../storage/driver.ts';
import { PULLS, PULLS_BEGAN, pullsKey } from '../../storage/paths.ts';
import { HOUR, PullTimes } from './pull-times.ts';

/** Distinct names in the merged record of all nodes. */
const MAX_NAMES = 1_000_000;
/** Two processes may merge the same objects: the loser starts again. */
const MAX_ATTEMPTS = 10;

const began = z.object({ at: z.iso.datetime() });

/** Must be called before the first pull is recorded. Earlier pulls are unknown. */
export async function beginRecording(driver: ObjectStore, now: number): Promise<void> {
  await driver.create(
    PULLS_BEGAN,
    new TextEncoder().encode(`${JSON.stringify({ at: new Date(now).toISOString() })}\n`),
  );
}

/** Must be called by processes that serve pulls without recording them. */
export async function endRecording(driver: ObjectStore): Promise<void> {
  const [failure] = await driver.delete([PULLS_BEGAN]);
  if (failure !== undefined) throw failure.cause;
}

/** Stores the times that one recorder has encoded, as a new object. @param id unique */
export async function storePulls(driver: Pick<ObjectStore, 'put'>, id: string, times: Uint8Array): Promise<void> {
  await driver.put(pullsKey(id), times);
}

/** Everything that was recorded. */
export interface KnownPulls {
  readonly times: PullTimes;
  /** When recording began, in milliseconds. */
  readonly began: number;
  /** The objects that it was merged from. */
  readonly keys: readonly Key[];
}

/** @throws Error when an object is unreadable or of another version: then the times are unknown */
export async function readPulls(driver: StoreReader, now: number): Promise<KnownPulls> {
  for (let attempt = 1; ; attempt++) {
    const found = await readOnce(driver, now);
    if (found !== undefined) return found;
    if (attempt === MAX_ATTEMPTS) throw new Error('the times of pulls are being merged concurrently: try again');
  }
}

async function readOnce(driver: StoreReader, now: number): Promise<KnownPulls | undefined> {
  const start = await driver.read(PULLS_BEGAN);
  const times = new PullTimes(MAX_NAMES);
  const keys: Key[] = [];
  for await (const { key } of driver.list(PULLS)) {
    const bytes = await driver.read(key);
    // Another process merged it in the meantime into an object that this listing may not show.
    if (bytes === undefined) return undefined;
    try {
      times.merge(await PullTimes.decode(bytes, MAX_NAMES));
    } catch (cause) {
      throw new Error(`the times of pulls in ${key} cannot be read`, { cause });
    }
    keys.push(key);
  }
  const at = start === undefined ? now : Date.parse(began.parse(JSON.parse(new TextDecoder().decode(start))).at);
  return { times, began: at, keys };
}

/**
 * Merges many objects into one, without times that are too old to matter.
 * @param window the longest time that any rule looks back, in milliseconds
 */
export async function compactPulls(
  driver: ObjectStore,
  { times, keys }: KnownPulls,
  options: { readonly now: number; readonly window: number; readonly newId: () => string },
): Promise<void> {
  if (keys.length < 2) return;
  // Two hours more, because clocks differ and times are rounded to hours.
  const oldest = Math.floor((options.now - options.window) / HOUR) - 2;
  await storePulls(driver, options.newId(), await times.since(oldest).encode());
  await driver.delete(keys);
}
