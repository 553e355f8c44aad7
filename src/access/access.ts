import type { RepositoryName } from '../oci/names.ts';
import { type Action, ANONYMOUS_AUTHORITY, type Authority, type Permission, type RegistryAction } from './authority.ts';

export type { Action, RegistryAction } from './authority.ts';

/** Who sends a request. */
export interface Actor {
  /** Stays the same from one request of an upload to the next. */
  readonly id: string;
  /** The identity that events name. Never an address: the log of a repository is kept forever, access lines are not. */
  readonly label: string;
}

/** The client of one request: its identity, its permissions, and a signal that ends the request. Every method of `Registry` gets it. */
export interface Caller {
  /** May be computed on first read, because many answers do not depend on it. */
  readonly actor: Actor;
  readonly authority: Authority;
  /** Aborted when the client disconnects. A write that has begun is still finished. */
  readonly signal: AbortSignal;
}

/** Decides what a caller may do. It is consulted before any lookup, so a caller cannot tell "forbidden" from "missing". */
export interface AccessPolicy {
  /** The repository is one that the request names, or the source of a mount without `from`. */
  allows(caller: Caller, action: Action, repo: RepositoryName): boolean;
  /**
   * Whether the caller may pull from a repository that the request does not name: one that has the bytes which the caller has just
   * uploaded. A token that this registry issued names only some repositories, so the rules for its identity decide here.
   */
  mayPullUnnamed(caller: Caller, repo: RepositoryName): boolean;
  /** Whether the catalog shows the repository to the caller: only if the caller may pull from it. */
  mayList(caller: Caller, repo: RepositoryName): boolean;
  /** False only if the caller may neither pull from any repository nor list any, whatever its name. */
  maySeeAny(caller: Caller): boolean;
  allowsRegistry(caller: Caller, action: RegistryAction): boolean;
}

/** Finds the rule that decides, by its number in ACCESS_FILE, for the log. */
export interface RuleLookup {
  /** The first rule that allows it; undefined if none does, or if rules do not apply. */
  allowing(caller: Caller, wanted: Permission): number | undefined;
  /** The rule that would need the smallest change to allow it. Examines all rules. */
  nearest(caller: Caller, wanted: Permission): number | undefined;
}

/** Used by a registry without accounts: every caller may do everything. */
export const openAccess: AccessPolicy = {
  allows: () => true,
  mayPullUnnamed: () => true,
  mayList: () => true,
  maySeeAny: () => true,
  allowsRegistry: () => true,
};

/** A client without an account. */
export const ANONYMOUS: Actor = { id: 'anonymous', label: 'anonymous' };

/** A caller without credentials, for permissions that are checked outside a request. */
export const ANONYMOUS_CALLER: Caller = {
  actor: ANONYMOUS,
  authority: ANONYMOUS_AUTHORITY,
  signal: new AbortController().signal,
};
