import { z } from 'zod';
import { jsonOf } from '../oci/json.ts';
import type { ObjectStore, StoreReader } from '../storage/driver.ts';
import { REPLICA_MISSING } from '../storage/paths.ts';

const schema = z.object({ v: z.literal(1), objects: z.int().nonnegative() });

/**
 * How many objects a replica lacks because its source does, as its server counted them last. For people only.
 * @returns undefined if it is unknown
 */
export async function readMissing(store: Pick<StoreReader, 'read'>): Promise<number | undefined> {
  const bytes = await store.read(REPLICA_MISSING);
  // A newer version may have written it in another form. Nothing depends on it.
  return bytes === undefined ? undefined : schema.safeParse(jsonOf(bytes)).data?.objects;
}

/** @throws errors of the store */
export async function writeMissing(store: Pick<ObjectStore, 'put'>, objects: number): Promise<void> {
  const report: z.infer<typeof schema> = { v: 1, objects };
  await store.put(REPLICA_MISSING, new TextEncoder().encode(JSON.stringify(report)));
}
