import { z } from 'zod';
import { jsonOf } from '../oci/json.ts';
import { type Incarnation, parseIncarnation } from '../oci/names.ts';
import type { ObjectStore, StoreReader } from './driver.ts';
import { CATALOG, FORMAT, REPOSITORIES } from './paths.ts';

const LAYOUT = 1;
/** Of a store that a backup is being restored to. No version of Marina serves it. */
const UNFINISHED_LAYOUT = 0;
const ulid = z.custom<Incarnation>((value) => typeof value === 'string' && parseIncarnation(value) !== undefined);
const format = z.object({
  layout: z.number(),
  store: ulid,
  /** Absent: `store`. */
  secrets: ulid.optional(),
  /** Absent: `store`. */
  instance: ulid.optional(),
  /** Which backup is being restored, and as of when. */
  restoring: z.object({ backup: ulid, at: z.number().optional() }).optional(),
});

/** Whose store it is. */
export interface Identity {
  readonly store: Incarnation;
  /** The key of the hashes of robots' secrets. A store that was restored from a backup has that of the store it was made from. */
  readonly secrets: Incarnation;
}

/** Which store this is. */
export interface StoreIdentity extends Identity {
  /**
   * Names these objects: no other store has it, replicas included. It equals `store` unless the store was made as a replica, which has
   * the `store` and the `secrets` of its primary, so that cursors and robots stay valid after a promotion. What no other store may share,
   * such as the keys in Redis, is named by it.
   */
  readonly instance: Incarnation;
}

/** A store that a backup is being restored to. */
export interface Restoring extends Identity {
  /** The ULID of the backup. */
  readonly backup: Incarnation;
  /** The moment as of which it is restored, in milliseconds; undefined: that of the backup. */
  readonly at: number | undefined;
}

/** A store that cannot be used; the message is one line for the operator. */
export class StoreRefused extends Error {
  override readonly name = 'StoreRefused';
}

/** Another process holds the store. */
export class StoreInUse extends StoreRefused {}

/** There is no store yet. */
export class NoStore extends StoreRefused {}

/** Decides what an empty store becomes. It may wait, and fail. */
export type NewIdentity = () => StoreIdentity | Promise<StoreIdentity>;

/** A store with a history of its own. */
export function newStore(newId: () => string): NewIdentity {
  return () => {
    const store = newId() as Incarnation;
    return { store, secrets: store, instance: store };
  };
}

/**
 * Reads the store's identity; writes one into an empty store first.
 * @throws StoreRefused if this code does not know the layout, or if a store with repositories has lost `format`; errors of `identify`
 */
export async function openFormat(driver: ObjectStore, identify: NewIdentity): Promise<StoreIdentity> {
  const existing = (await readIdentity(driver)) ?? (await identityUnlessEmpty(driver));
  if (existing !== undefined) return existing;
  await driver.create(FORMAT, encodeFormat(await identify()));
  const written = await readIdentity(driver);
  if (written === undefined) throw new StoreRefused('the store did not keep the object `format` that was just written');
  return written;
}

/**
 * A store that lost `format` must not get a new identity: nodes that know the old one would find neither each other's upload sessions
 * nor each other's views in Redis.
 * @returns what another process wrote in the meantime; undefined if the store is empty
 */
async function identityUnlessEmpty(driver: ObjectStore): Promise<StoreIdentity | undefined> {
  for (const prefix of [CATALOG, REPOSITORIES]) {
    for await (const _ of driver.list(prefix)) {
      const identity = await readIdentity(driver);
      if (identity !== undefined) return identity;
      throw new StoreRefused(
        'the store has repositories, but no object `format`: finish copying it, or restore `format`',
      );
    }
  }
  return undefined;
}

/** @returns the store's ULID; undefined if there is no store yet */
export async function readFormat(driver: Pick<StoreReader, 'read'>): Promise<string | undefined> {
  return (await readIdentity(driver))?.store;
}

/**
 * @returns undefined if there is no store yet
 * @throws StoreRefused if this code does not know the layout, or if a restore has not finished
 */
export async function readIdentity(driver: Pick<StoreReader, 'read'>): Promise<StoreIdentity | undefined> {
  const found = await readAnyFormat(driver);
  if (found === undefined) return undefined;
  const { layout, store, secrets = store, instance = store, restoring } = found;
  if (restoring !== undefined)
    throw new StoreRefused(
      'a backup is being restored to this store, or that was interrupted: run the same `marina backup restore` to its end',
    );
  if (layout !== LAYOUT) {
    throw new StoreRefused(
      `the store has layout ${layout}, this version of Marina knows ${LAYOUT}: use the version that wrote it`,
    );
  }
  return { store, secrets, instance };
}

/** @returns undefined unless a backup is being restored to this store. @throws StoreRefused if `format` cannot be read */
export async function readRestoring(driver: Pick<StoreReader, 'read'>): Promise<Restoring | undefined> {
  const found = await readAnyFormat(driver);
  if (found?.restoring === undefined) return undefined;
  const { store, secrets = store, restoring } = found;
  return { store, secrets, backup: restoring.backup, at: restoring.at };
}

/** The object `format` of a store; with `restoring`, of one that nothing may serve yet. */
export function encodeFormat(
  { store, secrets, instance = store }: Identity & Partial<StoreIdentity>,
  restoring?: Pick<Restoring, 'backup' | 'at'>,
): Uint8Array {
  const layout = restoring === undefined ? LAYOUT : UNFINISHED_LAYOUT;
  const content = {
    layout,
    store,
    ...(secrets === store ? {} : { secrets }),
    ...(instance === store ? {} : { instance }),
    restoring,
  };
  return new TextEncoder().encode(`${JSON.stringify(content)}\n`);
}

async function readAnyFormat(driver: Pick<StoreReader, 'read'>): Promise<z.infer<typeof format> | undefined> {
  const bytes = await driver.read(FORMAT);
  if (bytes === undefined) return undefined;
  const parsed = format.safeParse(jsonOf(bytes));
  if (parsed.success) return parsed.data;
  throw new StoreRefused('the object `format` of the store cannot be read: is this a Marina store?');
}

const CONTENDERS = 32;

/**
 * Proves that `create` has exactly one winner: the log relies on it, and a store that ignores the condition would
 * lose writes silently.
 * @param advice what a store that fails lacks, and what to use instead
 * @throws StoreRefused with what the store did, and the advice
 */
export async function proveStore(driver: ObjectStore, newId: () => string, advice: string): Promise<void> {
  const key = `tmp/proof-${newId()}`;
  const claims = Array.from({ length: CONTENDERS }, (_, index) => new TextEncoder().encode(`contender ${index}`));
  const results = await Promise.all(claims.map((claim) => driver.create(key, claim)));
  const winners = claims.filter((_, index) => results[index] === 'created');
  const kept = await driver.read(key);
  await driver.delete([key]);
  const [winner] = winners;
  const refusal = (what: string) => new StoreRefused(`the store cannot hold a log, ${what}: ${advice}`);
  if (winner === undefined || winners.length !== 1) {
    throw refusal(`${winners.length} of ${CONTENDERS} writers created the same object`);
  }
  if (kept === undefined || Buffer.compare(kept, winner) !== 0) {
    throw refusal('it gave back other bytes than the only winner wrote');
  }
}
