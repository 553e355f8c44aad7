import { accept, type Decision, refuse } from '../journal/command.ts';
import type { RepositoryFacts } from '../journal/state.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { RegistryPorts } from './ports.ts';
import { nameUnknown } from './require-repository.ts';

/**
 * Deletes a repository and everything in it. Only the operator's command does this; clients have no such request.
 * @param actor recorded in the event
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
