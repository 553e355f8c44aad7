import type { RepositoryName } from '../oci/names.ts';

/** Who sends a request. */
export interface Actor {
  /** Stays the same from one request of an upload to the next. */
  readonly id: string;
  /** The identity that events name. Never an address: the log of a repository is kept forever, access lines are not. */
  readonly label: string;
}

export type Action = 'pull' | 'push' | 'delete';

/** What an actor may do. Every look at a repository, also at the source of a mount, asks here first. */
export interface AccessPolicy {
  allows(actor: Actor, action: Action, repo: RepositoryName): boolean;
}

/** A registry without accounts: everybody may do everything. */
export const openAccess: AccessPolicy = { allows: () => true };

/** A client without an account. */
export const ANONYMOUS: Actor = { id: 'anonymous', label: 'anonymous' };
