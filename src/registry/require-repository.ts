import { RegistryError } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { InRepository } from '../projection/projection.ts';

/** @returns the value. @throws RegistryError `name-unknown` if the repository does not exist */
export function requireRepository<T>(repo: RepositoryName, answer: InRepository<T>): T {
  if (answer.kind === 'known') return answer.value;
  throw nameUnknown(repo);
}

export function nameUnknown(repo: RepositoryName): RegistryError {
  return new RegistryError('name-unknown', `there is no repository ${repo}: push to it first`, { name: repo });
}
