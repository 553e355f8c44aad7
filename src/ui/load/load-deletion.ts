import type { Caller } from '../../access/access.ts';
import type { Digest, RepositoryName, Tag } from '../../oci/names.ts';
import type { Sources } from './sources.ts';

/** What deleting tags would do. */
export interface DeletionPlan {
  readonly tags: readonly PlannedDeletion[];
  /** Tags that do not exist. */
  readonly missing: readonly Tag[];
}

interface PlannedDeletion {
  readonly tag: Tag;
  readonly digest: Digest;
  /** Tags of the same manifest that stay. */
  readonly others: readonly Tag[];
}

export async function planDeletion(
  repo: RepositoryName,
  tags: readonly Tag[],
  caller: Caller,
  { history }: Pick<Sources, 'history'>,
): Promise<DeletionPlan> {
  const contents = await history.contents(repo, undefined, caller);
  const chosen = new Set(tags);
  const planned = [...chosen].flatMap((tag): PlannedDeletion[] => {
    const digest = contents.tag(tag);
    if (digest === undefined) return [];
    return [{ tag, digest, others: contents.tagsOf(digest).filter((each) => !chosen.has(each)) }];
  });
  return { tags: planned, missing: [...chosen].filter((tag) => contents.tag(tag) === undefined) };
}
