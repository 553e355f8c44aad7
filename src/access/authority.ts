import type { RepositoryName } from '../oci/names.ts';
import type { Identity } from './identity.ts';

/**
 * What a caller wants to do with a repository. `create` makes tags and uploads blobs, but never moves a tag; `push` may do that
 * too. So `push` includes `create`, and a request that pushes needs at least `create`.
 */
export type Action = 'pull' | 'push' | 'create' | 'delete';

/** What a caller wants to do with the registry as a whole. */
export type RegistryAction = 'catalog' | 'metrics' | 'admin';

/** One thing that a caller wants to do. */
export type Wanted =
  | { readonly kind: 'repository'; readonly action: Action; readonly repo: RepositoryName }
  | { readonly kind: 'registry'; readonly action: RegistryAction };

/** What a token allows. */
export interface Grants {
  allows(action: Action, repo: RepositoryName): boolean;
  allowsRegistry(action: RegistryAction): boolean;
}

/** What a request's credentials prove, and so what decides about it. */
export type Authority =
  /** The rules for this identity decide. */
  | { readonly kind: 'identity'; readonly identity: Identity }
  /** A token of ours: the rules for its identity decide, and the token must grant it too. */
  | { readonly kind: 'own-token'; readonly identity: Identity; readonly grants: Grants }
  /** A token of the token server that the AUTH_TOKEN settings name: it decides alone. */
  | { readonly kind: 'server-token'; readonly identity: Identity; readonly grants: Grants };

export const ANONYMOUS_AUTHORITY: Authority = { kind: 'identity', identity: { kind: 'anonymous' } };
