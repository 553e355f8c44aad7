import { z } from 'zod';
import { parseIncarnation } from '../oci/names.ts';
import type { ObjectStore, StoreReader } from './driver.ts';
import { FORMAT } from './paths.ts';

const LAYOUT = 1;
const format = z.object({
  layout: z.number(),
  store: z.string().refine((text) => parseIncarnation(text) !== undefined),
});

/** A store that cannot be used; the message is one line for the operator. */
export class StoreRefused extends Error {
  override readonly name = 'StoreRefused';
}

/** There is no store yet. */
export class NoStore extends StoreRefused {}

/**
 * Reads the store's identity; writes one into an empty store first.
 * @returns the store's ULID
 * @throws StoreRefused if this code does not know the layout
 */
export async function openFormat(driver: ObjectStore, newId: () => string): Promise<string> {
  const existing = await readFormat(driver);
  if (existing !== undefined) return existing;
  await driver.create(FORMAT, new TextEncoder().encode(`${JSON.stringify({ layout: LAYOUT, store: newId() })}\n`));
  const written = await readFormat(driver);
  if (written === undefined) throw new StoreRefused('the store did not keep the object `format` that was just written');
  return written;
}

/** @returns the store's ULID; undefined if there is no store yet */
export async function readFormat(driver: Pick<StoreReader, 'read'>): Promise<string | undefined> {
  const bytes = await driver.read(FORMAT);
  if (bytes === undefined) return undefined;
  const parsed = format.safeParse(jsonOf(bytes));
  if (!parsed.success)
    throw new StoreRefused('the object `format` of the store cannot be read: is this a Marina store?');
  if (parsed.data.layout !== LAYOUT) {
    throw new StoreRefused(
      `the store has layout ${parsed.data.layout}, this version of Marina knows ${LAYOUT}: use the version that wrote it`,
    );
  }
  return parsed.data.store;
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
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
