import type { RepositoryName } from '../oci/names.ts';
import { type Action, ANONYMOUS_AUTHORITY, type Authority, type RegistryAction } from './authority.ts';

export type { Action, RegistryAction } from './authority.ts';

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
  readonly authority: Authority;
  /** Aborted when the client is gone and nobody waits for the answer. What was begun to be written is finished all the same. */
  readonly signal: AbortSignal;
}

/** What a caller may do. It is asked before anything is looked up, so that "forbidden" and "missing" cannot be told apart. */
export interface AccessPolicy {
  /** The repository is one that the request names. */
  allows(caller: Caller, action: Action, repo: RepositoryName): boolean;
  /**
   * Whether the caller may pull from a repository that the request does not name: an entry of the catalog, or the source of a mount
   * without `from` or of deduplication. A token of ours names only some repositories, so here the rules for its identity decide.
   */
  mayPullUnnamed(caller: Caller, repo: RepositoryName): boolean;
  allowsRegistry(caller: Caller, action: RegistryAction): boolean;
}

/** A registry without accounts: everybody may do everything. */
export const openAccess: AccessPolicy = {
  allows: () => true,
  mayPullUnnamed: () => true,
  allowsRegistry: () => true,
};

/** A client without an account. */
export const ANONYMOUS: Actor = { id: 'anonymous', label: 'anonymous' };

/** Asks what every client may do, without being a request. */
export const ANYBODY: Caller = {
  actor: ANONYMOUS,
  authority: ANONYMOUS_AUTHORITY,
  signal: new AbortController().signal,
};
