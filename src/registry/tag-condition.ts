import { RegistryError, unreachable } from '../oci/errors.ts';
import type { Digest, Tag } from '../oci/names.ts';
import type { TagCondition } from './interface.ts';

/**
 * Why the condition does not hold for a tag; undefined if it holds. Pure, because it runs within decisions.
 * @param now what the tag points to; undefined if it does not exist
 */
export function unmetCondition(condition: TagCondition, tag: Tag, now: Digest | undefined): RegistryError | undefined {
  if (holds(condition, now)) return undefined;
  const found = now === undefined ? 'does not exist' : `is ${now} now`;
  return new RegistryError('precondition-failed', `nothing was changed: the tag ${tag} ${found}`, {
    tag,
    digest: now ?? null,
  });
}

function holds(condition: TagCondition, now: Digest | undefined): boolean {
  switch (condition.kind) {
    case 'is':
      return now !== undefined && condition.digests.includes(now);
    case 'exists':
      return now !== undefined;
    case 'absent':
      return now === undefined;
    default:
      return unreachable(condition);
  }
}
