import { parseRepositoryName, type RepositoryName } from '../../oci/names.ts';
import type { RegistryAction } from '../authority.ts';

/** The words for actions on a repository that clients know. `push` stands for `create` too. */
export type ScopeAction = 'pull' | 'push' | 'delete';

/** One thing that a client asks a token for. */
export type Scope =
  | { readonly kind: 'repository'; readonly repo: RepositoryName; readonly actions: readonly ScopeAction[] }
  | { readonly kind: 'registry'; readonly action: RegistryAction };

/** Scopes in one request, before equal repositories are merged. A push that mounts from many repositories asks for one each. */
export const MAX_SCOPES = 64;
/** Their total length, so that the token still fits into a header of a request. */
export const MAX_SCOPE_CHARACTERS = 4_096;

/** In the order in which tokens list them. */
const ACTIONS: readonly ScopeAction[] = ['pull', 'push', 'delete'];
const REGISTRY_ACTIONS: readonly RegistryAction[] = ['catalog', 'metrics', 'admin'];

/**
 * The grammar of distribution (spec/auth/scope.md): `type ["(" class ")"] ":" name ":" action *("," action)`. The name may begin with
 * host and port, and so have a colon of its own.
 */
const SCOPE = /^(?<type>[a-z0-9]+)(?:\([a-z0-9]+\))?:(?:(?<host>[^:/]+:\d{1,5})\/)?(?<name>[^:]+):(?<actions>[^:]+)$/;

/**
 * Reads the `scope` parameters of a request. Types, names and actions that this registry does not have are ignored, since clients also ask
 * for what other registries know. Pure; never throws.
 * @param texts one for each parameter; each may hold several scopes, separated by spaces
 * @param service host by which clients name this registry; a name that begins with another `host:port` is none of ours
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

/** The scope as a client would ask for it. */
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

/** `registry:catalog:*`: the resource is the action, and `*` the only word after it. */
function addRegistryAction(registry: Set<RegistryAction>, name: string, actions: string): void {
  const action = REGISTRY_ACTIONS.find((each) => each === name);
  if (action !== undefined && actions.split(',').includes('*')) registry.add(action);
}

function ordered(wanted: ReadonlySet<ScopeAction>): readonly ScopeAction[] {
  return ACTIONS.filter((each) => wanted.has(each));
}
