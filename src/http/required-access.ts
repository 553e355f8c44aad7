import type { Action } from '../access/authority.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { RequiredAccess, Requirement } from './requirement.ts';
import type { Route } from './route.ts';
import { pageAccess } from './ui/page-access.ts';

/**
 * The access that each kind of request needs. Actions follow the kind of request, never its method. A kind without a row does not
 * compile. At run time an unknown kind gives undefined, which the gate denies.
 */
export function requiredAccess(route: Route): RequiredAccess | undefined {
  switch (route.kind) {
    // Clients find out here that the registry has logins, so this needs credentials even if anonymous callers may pull.
    case 'ping':
    // Changes are left out of pages if the caller may not pull from their repository (FeedAccess).
    case 'api-changes':
      return { requirements: [{ kind: 'identity' }], wishes: [], refusal: 'denied' };
    case 'blob-get':
    case 'blob-head':
    case 'manifest-get':
    case 'manifest-head':
    case 'tags-list':
    case 'referrers':
    case 'api-tag-history':
    case 'api-repository':
    case 'api-diff':
    case 'api-manifest':
    case 'api-packages':
    case 'api-tags':
    case 'api-sharers':
    case 'api-retention':
    case 'api-pins':
      return { requirements: [on(route.repo, 'pull')], wishes: [], refusal: 'hidden' };
    case 'api-compare':
      return {
        requirements: [...new Set([route.a.repo, route.b.repo])].map((repo) => on(repo, 'pull')),
        wishes: [],
        refusal: 'hidden',
      };
    // Only the decision knows whether the tags already exist and `push` is needed. It has a guard for that.
    case 'manifest-put':
    case 'upload-start':
    case 'upload-monolithic':
    case 'upload-chunk':
    case 'upload-close':
    case 'upload-status':
    case 'upload-cancel':
      return { requirements: [on(route.repo, 'create')], wishes: [], refusal: 'denied' };
    // If the caller may not pull from the source, the mount fails and the client uploads the blob.
    case 'blob-mount': {
      const wishes = route.from === undefined ? [] : [on(route.from, 'pull')];
      return { requirements: [on(route.repo, 'create')], wishes, refusal: 'denied' };
    }
    case 'blob-delete':
    case 'manifest-delete':
      return { requirements: [on(route.repo, 'delete')], wishes: [], refusal: 'denied' };
    case 'api-replication':
    case 'api-replication-slots':
    case 'api-replication-log':
    case 'api-replication-repositories':
    case 'api-replication-objects':
    case 'api-replication-object':
    case 'api-replication-collections':
    case 'api-replication-collection':
    case 'api-access':
    case 'api-access-explain':
    case 'api-robots':
    case 'api-robot-change':
    case 'api-operations':
    case 'api-order':
      return { requirements: [{ kind: 'registry', action: 'admin' }], wishes: [], refusal: 'denied' };
    case 'catalog':
      return { requirements: [{ kind: 'registry', action: 'catalog' }], wishes: [], refusal: 'denied' };
    // The policy is applied to each requested scope.
    case 'token-get':
    case 'token-post':
    // They tell only of the repositories that the caller may list.
    case 'api-search':
    case 'api-repositories':
    case 'api-totals':
    case 'api-storage':
    case 'api-retention-outlook':
    // It tells nothing about what is stored.
    case 'api-document':
      return { requirements: [], wishes: [], refusal: 'denied' };
    case 'page':
      return pageAccess(route.page);
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
