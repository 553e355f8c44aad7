import type { StoreIdentity } from '../storage/prepare.ts';

/** What replication needs to know of a store. */
export type ReplicaIdentity = Pick<StoreIdentity, 'store' | 'instance'>;
