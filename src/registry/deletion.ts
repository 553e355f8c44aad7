import { accept, type Decision, refuse } from '../journal/command.ts';
import type { RepositoryFacts } from '../journal/state.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { RegistryPorts } from './ports.ts';
import { nameUnknown } from './require-repository.ts';

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
