import type { RepositoryName } from '../oci/names.ts';
import type { Identity } from './identity.ts';

/**
 * What a caller wants to do with a repository. `create` allows uploads and new tags, but never moves a tag; `push` also
 * allows moving tags. `push` includes `create`, and every request that pushes needs at least `create`.
 */
export type Action = 'pull' | 'push' | 'create' | 'delete';

/** What a caller wants to do with the whole registry. */
export type RegistryAction = 'catalog' | 'metrics' | 'admin';

/** An action, with the repository that it applies to, if any. */
export type Permission =
  | { readonly kind: 'repository'; readonly action: Action; readonly repo: RepositoryName }
  | { readonly kind: 'registry'; readonly action: RegistryAction };

/** What a token allows. */
export interface Grants {
  allows(action: Action, repo: RepositoryName): boolean;
  allowsRegistry(action: RegistryAction): boolean;
}

/** What a request's credentials prove, and therefore which permissions apply. */
export type Authority =
  /** The rules for this identity decide. */
  | { readonly kind: 'identity'; readonly identity: Identity }
  /** A token that this registry issued: both the token and the rules for its identity must allow the action. */
  | { readonly kind: 'own-token'; readonly identity: Identity; readonly grants: Grants }
  /** A token of the token server that the AUTH_TOKEN settings name: only the token decides. */
  | { readonly kind: 'server-token'; readonly identity: Identity; readonly grants: Grants };

export const ANONYMOUS_AUTHORITY: Authority = { kind: 'identity', identity: { kind: 'anonymous' } };
