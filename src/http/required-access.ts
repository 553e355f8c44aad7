import type { Action, Wanted } from '../access/authority.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { Route } from './route.ts';

/** One thing that a caller must be allowed to do. */
export type Requirement =
  | Wanted
  /** That the caller is somebody: not a request without credentials. */
  | { readonly kind: 'identity' };

/** What a request needs before anything is looked up for it. */
export interface RequiredAccess {
  /** All of these, or the request is refused. Only the token endpoint needs none. */
  readonly requirements: readonly Requirement[];
  /** What it can do without: a challenge asks for it too, so that the client's token has it. */
  readonly wishes: readonly Requirement[];
  /**
   * How a caller is refused that has proved who it is. `hidden`: the answer is the one for a repository that does not exist.
   * `denied`: it is told that it may not, whether the repository exists or not.
   */
  readonly refusal: 'hidden' | 'denied';
}

/**
 * The access that each kind of request needs. Actions follow the kind of request, never its method. A kind without a row does not
 * compile; one that comes all the same, such as from a cast, is undefined, which the gate denies.
 */
export function requiredAccess(route: Route): RequiredAccess | undefined {
  switch (route.kind) {
    // Clients learn here whether there is something to log in to, also where anonymous callers may pull.
    case 'ping':
      return { requirements: [{ kind: 'identity' }], wishes: [], refusal: 'denied' };
    case 'blob-get':
    case 'blob-head':
    case 'manifest-get':
    case 'manifest-head':
    case 'tags-list':
    case 'referrers':
      return { requirements: [on(route.repo, 'pull')], wishes: [], refusal: 'hidden' };
    // Whether the tags exist already, and so whether `create` will do, only the decision can say: it has a guard for that.
    case 'manifest-put':
    case 'upload-start':
    case 'upload-monolithic':
    case 'upload-chunk':
    case 'upload-close':
    case 'upload-status':
    case 'upload-cancel':
      return { requirements: [on(route.repo, 'create')], wishes: [], refusal: 'denied' };
    // A source that may not be pulled from is as good as none: the client uploads.
    case 'blob-mount': {
      const wishes = route.from === undefined ? [] : [on(route.from, 'pull')];
      return { requirements: [on(route.repo, 'create')], wishes, refusal: 'denied' };
    }
    case 'blob-delete':
    case 'manifest-delete':
      return { requirements: [on(route.repo, 'delete')], wishes: [], refusal: 'denied' };
    case 'catalog':
      return { requirements: [{ kind: 'registry', action: 'catalog' }], wishes: [], refusal: 'denied' };
    // What the token allows, the policy says for each scope.
    case 'token-get':
    case 'token-post':
      return { requirements: [], wishes: [], refusal: 'denied' };
    default:
      return unknownKind(route);
  }
}

function on(repo: RepositoryName, action: Action): Requirement {
  return { kind: 'repository', action, repo };
}

function unknownKind(_: never): undefined {
  return undefined;
}
