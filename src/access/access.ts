import type { RepositoryName } from '../oci/names.ts';

/** Who sends a request. */
export interface Actor {
  /** Stays the same from one request of an upload to the next. */
  readonly id: string;
  /** The identity that events name. Never an address: the log of a repository is kept forever, access lines are not. */
  readonly label: string;
}

/** Who calls, and for how long. One value for each request, so that whatever stands behind the registry interface has both. */
export interface Caller {
  /** May be found out when it is first read: not every answer depends on it. */
  readonly actor: Actor;
  /** Aborted when the client is gone and nobody waits for the answer. What was begun to be written is finished all the same. */
  readonly signal: AbortSignal;
}

export type Action = 'pull' | 'push' | 'delete';

/** What a caller may do. It is asked before anything is looked up, so that "forbidden" and "missing" cannot be told apart. */
export interface AccessPolicy {
  allows(caller: Caller, action: Action, repo: RepositoryName): boolean;
}

/** A registry without accounts: everybody may do everything. */
export const openAccess: AccessPolicy = { allows: () => true };

/** A client without an account. */
export const ANONYMOUS: Actor = { id: 'anonymous', label: 'anonymous' };

/** Asks what every client may do, without being a request. */
export const ANYBODY: Caller = { actor: ANONYMOUS, signal: new AbortController().signal };
