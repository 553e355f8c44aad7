import { z } from 'zod';
import { type Incarnation, parseIncarnation } from '../oci/names.ts';
import type { ObjectStore, StoreReader } from '../storage/driver.ts';
import { REPLICA_MARK } from '../storage/paths.ts';

const schema = z.object({
  v: z.literal(1),
  /** URL of the registry that the store was last started as a replica of. */
  source: z.string(),
  /** As the source's identity said last (IdentityAnswer). */
  lineage: z.array(
    z.custom<Incarnation>((value) => typeof value === 'string' && parseIncarnation(value) !== undefined),
  ),
  /** When it became a replica: ISO 8601, as the others. */
  since: z.iso.datetime(),
  /** When it had everything that the source had for the first time. */
  complete: z.iso.datetime().optional(),
  promoted: z.object({ at: z.iso.datetime(), by: z.string() }).optional(),
});

/** What a store that was made as a replica is now: a replica, or, once promoted, a primary. */
export type ReplicaMark = z.infer<typeof schema>;

/**
 * @returns undefined if there is none
 * @throws Error if it cannot be read: then it is unknown whether the store may be written to
 */
export async function readReplicaMark(store: Pick<StoreReader, 'read'>): Promise<ReplicaMark | undefined> {
  const bytes = await store.read(REPLICA_MARK);
  if (bytes === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (error) {
    throw new Error(`the object ${REPLICA_MARK} of the store cannot be read: a newer Marina may have written it`, {
      cause: error,
    });
  }
}

/** @throws errors of the store */
export async function writeReplicaMark(store: Pick<ObjectStore, 'put'>, mark: ReplicaMark): Promise<void> {
  await store.put(REPLICA_MARK, new TextEncoder().encode(JSON.stringify(mark)));
}
