import type { RepositoryFacts } from '../journal/state.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import type { RepositoryPolicy } from './policy.ts';

/** As many tags as a message names. */
const NAMED = 10;

/**
 * An immutable tag keeps the digest that it was first pushed with. The same digest again changes nothing, so it is fine.
 * @returns why these tags may not all be set to this digest; undefined when they may
 */
export function refuseMoving(
  repo: RepositoryName,
  tags: readonly Tag[],
  digest: Digest,
  facts: Pick<RepositoryFacts, 'tag'>,
  policy: RepositoryPolicy,
): RegistryError | undefined {
  const moved = tags.filter((tag) => {
    const current = facts.tag(tag);
    return current !== undefined && current !== digest && policy.isImmutable(repo, tag);
  });
  if (moved.length === 0) return undefined;
  return denied(repo, moved, 'cannot be pushed again with another digest: push under a new tag');
}

/** Why these tags may not be deleted. */
export function deletesImmutable(repo: RepositoryName, tags: readonly Tag[]): RegistryError {
  return denied(repo, tags, 'cannot be deleted: only the operator can change that (RETENTION_FILE)');
}

function denied(repo: RepositoryName, tags: readonly Tag[], consequence: string): RegistryError {
  const [names, more] = [tags.slice(0, NAMED).join(', '), tags.length > NAMED ? ', …' : ''];
  const subject = tags.length === 1 ? `tag ${names} is` : `tags ${names}${more} are`;
  return new RegistryError('denied', `the ${subject} immutable in ${repo} and ${consequence}`, {
    tags: tags.slice(0, NAMED),
  });
}
