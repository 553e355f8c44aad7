import type { RepositoryName } from '../../oci/names.ts';
import { parseComparable, repositoryOf } from '../../past/comparable.ts';
import type { RequiredAccess, Requirement } from '../requirement.ts';
import type { PageRoute } from './page-route.ts';

const OPEN: RequiredAccess = { requirements: [], wishes: [], refusal: 'denied' };

/**
 * The access that each page needs, as `requiredAccess` has it for the API. A page without a row does not compile; an unknown kind is
 * denied.
 */
export function pageAccess(page: PageRoute): RequiredAccess | undefined {
  switch (page.kind) {
    // Lists only what the caller may pull, and says so if it may not list anything.
    case 'home':
    case 'to-home':
    case 'jump':
    case 'past-home':
    case 'changes':
    case 'new-changes':
    case 'storage-map':
    case 'login-form':
    case 'issuer-login':
    case 'issuer-done':
    case 'login':
    case 'logout':
    // They only lead to another page.
    case 'to-past':
    case 'past-compare':
    // They are the same for everyone.
    case 'asset':
      return OPEN;
    case 'access':
    case 'operations':
    case 'order':
    case 'change-robot':
      return { requirements: [{ kind: 'registry', action: 'admin' }], wishes: [], refusal: 'denied' };
    case 'storage':
      return page.repo === undefined ? OPEN : { ...OPEN, requirements: [pullFrom(page.repo)], refusal: 'hidden' };
    case 'repository':
    case 'timeline':
    case 'manifest':
    // By the rules of today, which also decide about the past of a repository.
    case 'past-repository':
    case 'past-manifest':
      return { requirements: [pullFrom(page.repo)], wishes: [], refusal: 'hidden' };
    case 'compare': {
      const sides = [page.a, page.b].map(parseComparable);
      const repos = new Set(sides.flatMap((side) => (side === undefined ? [] : repositoryOf(side))));
      return { requirements: [...repos].map(pullFrom), wishes: [], refusal: 'hidden' };
    }
    case 'delete':
      return {
        requirements: [{ kind: 'repository', action: 'delete', repo: page.repo }],
        wishes: [],
        refusal: 'denied',
      };
    // Only the decision knows whether the tag exists and `push` is needed, as for a manifest that is pushed.
    case 'restore':
    case 'tag':
      return {
        requirements: [{ kind: 'repository', action: 'create', repo: page.repo }],
        wishes: [],
        refusal: 'denied',
      };
    // A pin keeps bytes that others have deleted, and there can be few of them.
    case 'pin':
    case 'unpin':
      return {
        requirements: [
          { kind: 'repository', action: 'pull', repo: page.repo },
          { kind: 'registry', action: 'admin' },
        ],
        wishes: [],
        refusal: 'denied',
      };
    default:
      return unknownKind(page);
  }
}

function pullFrom(repo: RepositoryName): Requirement {
  return { kind: 'repository', action: 'pull', repo };
}

function unknownKind(_: never): undefined {
  return undefined;
}
