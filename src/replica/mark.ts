import { z } from 'zod';
import { type Incarnation, parseIncarnation } from '../oci/names.ts';
import type { Durability, Key, ObjectStore, StoreReader } from '../storage/driver.ts';
import { PROMOTION, REPLICA_MARK } from '../storage/paths.ts';

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
});

/** An object of its own, created once: processes that replace the mark cannot undo a promotion by another one. */
const promotion = z.object({ at: z.iso.datetime(), by: z.string() });
export type Promotion = z.infer<typeof promotion>;

/** What a store that was made as a replica is now: a replica, or, once promoted, a primary. */
export type ReplicaMark = z.infer<typeof schema> & { readonly promoted?: Promotion };

/**
 * @returns undefined if there is none
 * @throws Error if it cannot be read: then it is unknown whether the store may be written to
 */
export async function readReplicaMark(store: Pick<StoreReader, 'read'>): Promise<ReplicaMark | undefined> {
  const mark = await readAs(schema, store, REPLICA_MARK);
  const promoted = mark === undefined ? undefined : await readAs(promotion, store, PROMOTION);
  return mark === undefined || promoted === undefined ? mark : { ...mark, promoted };
}

async function readAs<T>(form: z.ZodType<T>, store: Pick<StoreReader, 'read'>, key: Key): Promise<T | undefined> {
  const bytes = await store.read(key);
  if (bytes === undefined) return undefined;
  try {
    return form.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (error) {
    throw new Error(`the object ${key} of the store cannot be read: a newer Marina may have written it`, {
      cause: error,
    });
  }
}

/** Replaces the mark, without the promotion. @throws errors of the store */
export async function writeReplicaMark(
  store: Pick<ObjectStore, 'put'>,
  { promoted: _, ...mark }: ReplicaMark,
): Promise<void> {
  await store.put(REPLICA_MARK, bytesOf(mark));
}

/** Durable once it resolves. An earlier promotion stays. @throws errors of the store */
export async function writePromotion(
  store: Pick<ObjectStore, 'create'> & Pick<Durability, 'confirm'>,
  promoted: Promotion,
): Promise<void> {
  if ((await store.create(PROMOTION, bytesOf(promoted))) === 'taken') await store.confirm(PROMOTION);
}

function bytesOf(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
