import { accept, type Decision, refuse } from '../journal/command.ts';
import type { RepositoryFacts } from '../journal/state.ts';
import { RegistryError } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import { nameUnknown } from './existence.ts';
import type { RegistryPorts } from './ports.ts';

/**
 * Every way for a client to delete content begins here. "Registries MAY implement deletion or they MAY disable it", and one
 * that did "MUST respond with either a `400 Bad Request` or a `405 Method Not Allowed`" (said of tags; manifests and blobs alike).
 * Cancelling an upload deletes no content.
 * @throws RegistryError `delete-disabled`
 */
export function requireDeletes({ deletes }: Pick<RegistryPorts, 'deletes'>): void {
  if (!deletes) throw new RegistryError('delete-disabled', 'deleting is disabled here (DELETE_ENABLED)');
}

/**
 * Deletes a repository with everything in it: the operator's command, which no client has.
 * @param actor for the log
 * @throws RegistryError `name-unknown`
 */
export function deleteRepository(
  repo: RepositoryName,
  actor: string,
  { projection }: Pick<RegistryPorts, 'projection'>,
): Promise<void> {
  const decide = (facts: RepositoryFacts): Decision<void> =>
    facts.exists ? accept(undefined, { type: 'repo.deleted', actor }) : refuse(nameUnknown(repo));
  return projection.submit(repo, { decide });
}
