import type { RepositoryName } from '../../oci/names.ts';
import type { Action, Grants, RegistryAction } from '../authority.ts';
import { formatScope, type Scope, type ScopeAction } from './scope.ts';

/** What a token allows on one repository. `push` includes `create`, which is then not listed. */
export interface RepositoryGrant {
  readonly repo: RepositoryName;
  readonly actions: readonly Action[];
}

/** What a token allows, as its claims list it. */
export interface Granted {
  readonly repositories: readonly RepositoryGrant[];
  readonly registry: readonly RegistryAction[];
}

/** What the rules allow the identity that the token is for. */
export interface Rights {
  allows(action: Action, repo: RepositoryName): boolean;
  allowsRegistry(action: RegistryAction): boolean;
}

/**
 * The part of the requested scopes that the rules allow. Pure. "If the client only has a subset of the requested access it must not be
 * considered an error".
 */
export function grantScopes(scopes: readonly Scope[], rights: Rights): Granted {
  const repositories: RepositoryGrant[] = [];
  const registry: RegistryAction[] = [];
  for (const scope of scopes) {
    if (scope.kind === 'registry') {
      if (rights.allowsRegistry(scope.action)) registry.push(scope.action);
      continue;
    }
    const { repo } = scope;
    const actions = scope.actions.flatMap((wanted) => actionFor(wanted, repo, rights) ?? []);
    if (actions.length > 0) repositories.push({ repo, actions });
  }
  return { repositories, registry };
}

/** Clients cannot ask for `create`. A caller who may create but not push gets `create` when it asks for `push`. */
function actionFor(wanted: ScopeAction, repo: RepositoryName, rights: Rights): Action | undefined {
  if (rights.allows(wanted, repo)) return wanted;
  return wanted === 'push' && rights.allows('create', repo) ? 'create' : undefined;
}

/** The granted scopes in the clients' syntax, separated by spaces. */
export function formatGranted({ repositories, registry }: Granted): string {
  const scopes: readonly Scope[] = [
    ...repositories.map(({ repo, actions }) => ({
      kind: 'repository' as const,
      repo,
      actions: actions.map(scopeWord),
    })),
    ...registry.map((action) => ({ kind: 'registry' as const, action })),
  ];
  return scopes.map(formatScope).join(' ');
}

/** The action in scopes and in the `access` claim. */
export function scopeWord(action: Action): ScopeAction {
  return action === 'create' ? 'push' : action;
}

/** Indexes grants for lookups. */
export function grantsOf({ repositories, registry }: Granted): Grants {
  const byName = new Map(repositories.map(({ repo, actions }) => [repo, new Set(actions)]));
  return {
    allows: (action, repo) => {
      const actions = byName.get(repo);
      return actions !== undefined && (actions.has(action) || (action === 'create' && actions.has('push')));
    },
    allowsRegistry: (action) => registry.includes(action),
  };
}
