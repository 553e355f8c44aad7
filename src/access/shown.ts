import type { RepositoryName } from '../oci/names.ts';
import type { AccessPolicy, Caller } from './access.ts';

/** Whether a repository is shown to the caller. A token that is not for the catalog shows only the repositories that it is for. */
export function showsTo(caller: Caller, policy: AccessPolicy): (repo: RepositoryName) => boolean {
  const mayCatalog = policy.allowsRegistry(caller, 'catalog');
  return (repo) => policy.allows(caller, 'pull', repo) || (mayCatalog && policy.mayList(caller, repo));
}
