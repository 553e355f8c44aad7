import { parseRepositoryName, type RepositoryName } from '../../oci/names.ts';
import type { RegistryAction } from '../authority.ts';

/** The actions on a repository that clients can ask for. `push` also stands for `create`. */
export type ScopeAction = 'pull' | 'push' | 'delete';

/** One scope that a client asks for. */
export type Scope =
  | { readonly kind: 'repository'; readonly repo: RepositoryName; readonly actions: readonly ScopeAction[] }
  | { readonly kind: 'registry'; readonly action: RegistryAction };

/**
 * Maximum number of scopes in one request, before repositories are merged. A push that mounts from many repositories asks for each
 * of them.
 */
export const MAX_SCOPES = 64;
/** Maximum total length, so that the token still fits into a request header. */
export const MAX_SCOPE_CHARACTERS = 4_096;

/** In the order in which tokens list them. */
const ACTIONS: readonly ScopeAction[] = ['pull', 'push', 'delete'];
const REGISTRY_ACTIONS: readonly RegistryAction[] = ['catalog', 'metrics', 'admin'];

/**
 * The grammar of distribution (spec/auth/scope.md): `type ["(" class ")"] ":" name ":" action *("," action)`. The name may begin with
 * `host:port/`.
 */
const SCOPE = /^(?<type>[a-z0-9]+)(?:\([a-z0-9]+\))?:(?:(?<host>[^:/]+:\d{1,5})\/)?(?<name>[^:]+):(?<actions>[^:]+)$/;

/**
 * Parses the `scope` parameters of a request. Unknown types, names and actions are ignored, because clients also ask for scopes of other
 * registries. Pure; never throws.
 * @param texts one for each parameter; each may hold several scopes, separated by spaces
 * @param service the host that clients use for this registry; names that begin with another `host:port` are ignored
 * @returns each repository once, in the order of the request; undefined if there are more than MAX_SCOPES or MAX_SCOPE_CHARACTERS
 */
export function parseScopes(texts: readonly string[], service: string): readonly Scope[] | undefined {
  if (texts.reduce((sum, each) => sum + each.length, 0) > MAX_SCOPE_CHARACTERS) return undefined;
  const words = texts.flatMap((each) => each.split(' ')).filter((each) => each !== '');
  if (words.length > MAX_SCOPES) return undefined;
  const repositories = new Map<RepositoryName, Set<ScopeAction>>();
  const registry = new Set<RegistryAction>();
  for (const word of words) {
    const { type, host, name = '', actions = '' } = SCOPE.exec(word)?.groups ?? {};
    if (host !== undefined && host !== service) continue;
    if (type === 'registry') addRegistryAction(registry, name, actions);
    if (type === 'repository') addActions(repositories, name, actions);
  }
  return [
    ...Array.from(repositories, ([repo, wanted]): Scope => ({ kind: 'repository', repo, actions: ordered(wanted) })),
    ...REGISTRY_ACTIONS.filter((each) => registry.has(each)).map((action): Scope => ({ kind: 'registry', action })),
  ];
}

/** The scope in the clients' syntax. */
export function formatScope(scope: Scope): string {
  return scope.kind === 'registry'
    ? `registry:${scope.action}:*`
    : `repository:${scope.repo}:${scope.actions.join(',')}`;
}

function addActions(repositories: Map<RepositoryName, Set<ScopeAction>>, name: string, actions: string): void {
  const repo = parseRepositoryName(name);
  if (repo === undefined) return;
  const words = actions.split(',');
  // skopeo asks for `*` to delete.
  const wanted = words.includes('*') ? ACTIONS : ACTIONS.filter((each) => words.includes(each));
  if (wanted.length === 0) return;
  const known = repositories.get(repo) ?? new Set();
  for (const action of wanted) known.add(action);
  repositories.set(repo, known);
}

/** In `registry:catalog:*` the name is the action, and only `*` may follow it. */
function addRegistryAction(registry: Set<RegistryAction>, name: string, actions: string): void {
  const action = REGISTRY_ACTIONS.find((each) => each === name);
  if (action !== undefined && actions.split(',').includes('*')) registry.add(action);
}

function ordered(wanted: ReadonlySet<ScopeAction>): readonly ScopeAction[] {
  return ACTIONS.filter((each) => wanted.has(each));
}
