import type { Caller } from '../../access/access.ts';
import type { Digest, RepositoryName, Tag } from '../../oci/names.ts';
import type { Consequences } from '../../retention/interface.ts';
import type { Sources } from './sources.ts';

/** What deleting tags would do. */
export interface DeletionPlan {
  readonly tags: readonly PlannedDeletion[];
  /** Tags that do not exist. */
  readonly missing: readonly Tag[];
  readonly consequences: Consequences;
}

interface PlannedDeletion {
  readonly tag: Tag;
  readonly digest: Digest;
  /** Tags of the same manifest that stay. */
  readonly others: readonly Tag[];
  /** Whether nothing keeps the manifest alive any more. */
  readonly isLost: boolean;
}

export async function planDeletion(
  repo: RepositoryName,
  tags: readonly Tag[],
  caller: Caller,
  { history, retention }: Pick<Sources, 'history' | 'retention'>,
): Promise<DeletionPlan> {
  const chosen = [...new Set(tags)];
  const [contents, consequences] = await Promise.all([
    history.contents(repo, undefined, caller),
    retention.consequences(repo, chosen, caller),
  ]);
  const immutable = new Set(consequences.immutable);
  const deleted = new Set(chosen.filter((tag) => !immutable.has(tag)));
  const planned = [...deleted].flatMap((tag): PlannedDeletion[] => {
    const digest = contents.tag(tag);
    if (digest === undefined) return [];
    const others = contents.tagsOf(digest).filter((each) => !deleted.has(each));
    return [{ tag, digest, others, isLost: consequences.manifests.has(digest) }];
  });
  return { tags: planned, missing: chosen.filter((tag) => contents.tag(tag) === undefined), consequences };
}
