import { StoreRefused } from '../storage/prepare.ts';
import type { ReplicaIdentity } from './identity.ts';
import type { ReplicaMark } from './mark.ts';

export type Role = { readonly kind: 'primary' } | { readonly kind: 'replica'; readonly source: string };

/**
 * Whether a process serves its store as a primary or as a replica. A store never becomes a replica of another history, and a replica
 * accepts writes only after a promotion.
 * @param replicaOf REPLICA_OF
 * @throws StoreRefused in one line
 */
export function roleOf(
  { store, instance }: ReplicaIdentity,
  mark: ReplicaMark | undefined,
  replicaOf: string | undefined,
): Role {
  if (store === instance) {
    if (replicaOf === undefined) return { kind: 'primary' };
    throw new StoreRefused(
      'REPLICA_OF is set, but this store has a history of its own: a replica needs an empty store (STORAGE_PATH, S3_BUCKET and S3_PREFIX)',
    );
  }
  if (mark?.promoted !== undefined) {
    if (replicaOf === undefined) return { kind: 'primary' };
    throw new StoreRefused(
      `REPLICA_OF is still set, but this store was promoted at ${mark.promoted.at} and is a primary since: remove REPLICA_OF; a replica needs an empty store`,
    );
  }
  if (replicaOf !== undefined) return { kind: 'replica', source: replicaOf };
  const of = mark === undefined ? 'another registry' : mark.source;
  throw new StoreRefused(
    `this store is a replica of ${of}: set REPLICA_OF, or make it a primary with \`marina replica promote\``,
  );
}
