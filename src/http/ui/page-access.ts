import type { RequiredAccess } from '../requirement.ts';
import type { PageRoute } from './page-route.ts';

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
    case 'changes':
    case 'new-changes':
    case 'login-form':
    case 'issuer-login':
    case 'issuer-done':
    case 'login':
    case 'logout':
    // They are the same for everyone.
    case 'asset':
      return { requirements: [], wishes: [], refusal: 'denied' };
    case 'access':
    case 'change-robot':
      return { requirements: [{ kind: 'registry', action: 'admin' }], wishes: [], refusal: 'denied' };
    case 'repository':
    case 'manifest':
      return { requirements: [{ kind: 'repository', action: 'pull', repo: page.repo }], wishes: [], refusal: 'hidden' };
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

function unknownKind(_: never): undefined {
  return undefined;
}
