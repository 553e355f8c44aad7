import { z } from 'zod';
import { jsonOf } from '../oci/json.ts';
import { type Incarnation, parseRepositoryName, type RepositoryName } from '../oci/names.ts';
import type { ObjectStore, StoreReader } from '../storage/driver.ts';
import { HOLDS, holdKey, idOfHoldKey } from '../storage/paths.ts';

/*
 * A hold keeps what some logs linked at some slots, whatever happens to the links, until it ends. It is one object. What it keeps never
 * changes; only its end may be put off before it has come. It binds every round of collection that decides what to delete after it was created; docs/decisions/0083 says why that suffices.
 */

const repositoryName = z.custom<RepositoryName>(
  (value) => typeof value === 'string' && parseRepositoryName(value) !== undefined,
);

/** Names that operators give. */
export const HOLD_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

export const holdSchema = z.object({
  v: z.literal(1),
  /** Absent for a pin. */
  kind: z.literal('backup').optional(),
  name: z.string().regex(HOLD_NAME),
  /** The moment that it keeps, milliseconds. */
  moment: z.number(),
  /** When it was created, and when it ends by itself, milliseconds. */
  created: z.number(),
  until: z.number(),
  /** Who created it. */
  by: z.string(),
  /** The slot of each log whose links it keeps. */
  logs: z.array(z.tuple([repositoryName, z.int().positive()])),
});

export type HoldContent = z.infer<typeof holdSchema>;

export interface Hold extends Omit<HoldContent, 'logs'> {
  readonly id: Incarnation;
  readonly logs: ReadonlyMap<RepositoryName, number>;
}

/** Each hold makes every collection fold the logs that it names once more. */
export const MAX_HOLDS = 100;

/** @throws errors of the store */
export async function createHold(
  driver: Pick<ObjectStore, 'create'>,
  id: Incarnation,
  content: HoldContent,
): Promise<void> {
  const result = await driver.create(holdKey(id), encodeHold(content));
  if (result === 'taken') throw new Error(`the hold ${id} exists already, though its id is new`);
}

/** Creates a hold, or replaces one by the same with a later end. @throws errors of the store */
export async function renewHold(
  driver: Pick<ObjectStore, 'put'>,
  id: Incarnation,
  content: HoldContent,
): Promise<void> {
  await driver.put(holdKey(id), encodeHold(content));
}

/** Ends a hold. @throws errors of the store */
export async function removeHold(driver: Pick<ObjectStore, 'delete'>, id: Incarnation): Promise<void> {
  const [failure] = await driver.delete([holdKey(id)]);
  if (failure !== undefined) throw new Error(`the hold ${id} could not be removed`, { cause: failure.cause });
}

/**
 * All holds, also those that have ended.
 * @throws HoldUnreadable for one that this version cannot read: it is unknown what it keeps
 */
export async function readHolds(driver: StoreReader): Promise<Hold[]> {
  const holds: Hold[] = [];
  for (const id of await holdIds(driver)) {
    const hold = await readHold(driver, id);
    if (hold !== undefined) holds.push(hold);
  }
  return holds;
}

/** The ids of all holds, also of those that have ended. */
export async function holdIds(driver: Pick<StoreReader, 'list'>): Promise<Incarnation[]> {
  const ids: Incarnation[] = [];
  for await (const { key } of driver.list(HOLDS)) {
    const id = idOfHoldKey(key);
    if (id !== undefined) ids.push(id);
  }
  return ids;
}

/** @returns undefined for one that was removed @throws HoldUnreadable */
export async function readHold(driver: Pick<StoreReader, 'read'>, id: Incarnation): Promise<Hold | undefined> {
  const bytes = await driver.read(holdKey(id));
  if (bytes === undefined) return undefined;
  const parsed = holdSchema.safeParse(unpacked(bytes));
  if (!parsed.success) throw new HoldUnreadable(id);
  return { ...parsed.data, id, logs: new Map(parsed.data.logs) };
}

/** The holds that have not ended. @param now milliseconds */
export async function activeHolds(driver: StoreReader, now: number): Promise<Hold[]> {
  return (await readHolds(driver)).filter(({ until }) => until > now);
}

/** How long a hold that has ended is left in the store, because another process's clock may be behind. */
const LEFT_MS = 24 * 3_600_000;

/** Removes the holds that ended long ago. @param now milliseconds */
export async function removeEndedHolds(driver: StoreReader & Pick<ObjectStore, 'delete'>, now: number): Promise<void> {
  for (const { id, until } of await readHolds(driver)) if (until + LEFT_MS < now) await removeHold(driver, id);
}

export class HoldUnreadable extends Error {
  override readonly name = 'HoldUnreadable';

  constructor(id: Incarnation) {
    super(`${holdKey(id)} cannot be read, so nothing is deleted: it may be of a newer version of Marina`);
  }
}

/** Synchronous, like `encodeHold`: the simulation of collections schedules every step, and could not schedule another thread's work. */
function unpacked(bytes: Uint8Array): unknown {
  try {
    return jsonOf(Bun.zstdDecompressSync(bytes));
  } catch {
    return undefined;
  }
}

function encodeHold(content: HoldContent): Uint8Array {
  return Bun.zstdCompressSync(JSON.stringify(content));
}
