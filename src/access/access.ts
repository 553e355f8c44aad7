import type { RepositoryName } from '../oci/names.ts';

/** Who sends a request. */
export interface Actor {
  /** Stays the same from one request of an upload to the next. */
  readonly id: string;
  /** How the log names it: the identity and where it came from. */
  readonly label: string;
}

export type Action = 'pull' | 'push' | 'delete';

/** What an actor may do. Every look at a repository, also at the source of a mount, asks here first. */
export interface AccessPolicy {
  allows(actor: Actor, action: Action, repo: RepositoryName): boolean;
}

/** A registry without accounts: everybody may do everything. */
export const openAccess: AccessPolicy = { allows: () => true };

export function anonymous(address: string | undefined): Actor {
  return { id: 'anonymous', label: address === undefined ? 'anonymous' : `anonymous@${address}` };
}
