import type { RepositoryName } from '../../oci/names.ts';
import type { Action, Grants, RegistryAction } from '../authority.ts';
import { formatScope, type Scope, type ScopeAction } from './scope.ts';

/** What a token allows on one repository; with `push` there is no `create`, which it includes. */
export interface RepositoryGrant {
  readonly repo: RepositoryName;
  readonly actions: readonly Action[];
}

/** What a token allows, as its claims list it. */
export interface Granted {
  readonly repositories: readonly RepositoryGrant[];
  readonly registry: readonly RegistryAction[];
}

/** What the rules allow the holder of the token. */
export interface Rights {
  allows(action: Action, repo: RepositoryName): boolean;
  allowsRegistry(action: RegistryAction): boolean;
}

/**
 * The part of what is asked for that the rules allow. Pure. "If the client only has a subset of the requested access it must not be
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

/** Clients have no word for `create`: who may not push, but create, gets that for `push`. */
function actionFor(wanted: ScopeAction, repo: RepositoryName, rights: Rights): Action | undefined {
  if (rights.allows(wanted, repo)) return wanted;
  return wanted === 'push' && rights.allows('create', repo) ? 'create' : undefined;
}

/** What was granted in the words that clients know, separated by spaces. */
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

/** The action as clients, and the `access` claim, name it. */
export function scopeWord(action: Action): ScopeAction {
  return action === 'create' ? 'push' : action;
}

/** Looks grants up. */
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
