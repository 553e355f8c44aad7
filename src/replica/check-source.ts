import { hashSlot, NO_SLOT, type SlotHash } from '../journal/events.ts';
import type { ReplicaIdentity } from './identity.ts';
import type { ReplicationSource } from './interface.ts';
import { type IdentityAnswer, PROTOCOL_VERSION } from './protocol.ts';
import { SourceRefused } from './source-errors.ts';

/**
 * Whether a store may be, or stay, a replica of a source.
 * @returns the source's identity
 * @throws SourceRefused for another registry, a circle, a newer protocol; SourceAway
 */
export async function requireFollowable(
  source: Pick<ReplicationSource, 'identity'>,
  { store, instance }: ReplicaIdentity,
): Promise<IdentityAnswer> {
  const found = await source.identity();
  if (found.version > PROTOCOL_VERSION) {
    throw new SourceRefused(
      'the source speaks a newer protocol of replication than this Marina knows: update the replica first',
    );
  }
  if (found.lineage.includes(instance)) {
    throw new SourceRefused(
      'the source is a replica of this very store, so the two would follow each other: REPLICA_OF must name the primary, or a replica nearer to it',
    );
  }
  if (found.store !== store) {
    throw new SourceRefused(
      `the source is another registry (store ${found.store}) than the one that this replica was made of (store ${store}): correct REPLICA_OF, or start with an empty store`,
    );
  }
  return found;
}

/**
 * Whether the source's notes begin with those here.
 * @param head the last note here
 * @throws SourceRefused if they do not: it is an old primary, or this store was promoted; SourceAway
 */
export async function requireSameHistory(
  source: Pick<ReplicationSource, 'storeLog'>,
  { seq, hash }: { readonly seq: number; readonly hash: SlotHash },
  signal?: AbortSignal,
): Promise<void> {
  if (hash === NO_SLOT) return;
  const { slots } = await source.storeLog('notes', seq - 1, 0, signal);
  const [slot] = slots;
  const found = slot === undefined ? undefined : hashSlot(new TextEncoder().encode(slot));
  if (found === hash) return;
  const what =
    found === undefined ? `it has no note ${seq}, which is here` : `its note ${seq} is another one than here`;
  throw new SourceRefused(
    `the source has a different history: ${what}. It is an old primary, or was restored from a backup: nothing was copied. Set REPLICA_OF to the present primary, or start with an empty store`,
  );
}
