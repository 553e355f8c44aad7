import type { Caller } from '../../access/access.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { RecentChange } from '../../past/interface.ts';
import type { Sources } from './sources.ts';

export interface TimelineData {
  readonly repo: RepositoryName;
  /** Newest first. */
  readonly changes: readonly RecentChange[];
  /** The slot before which the page begins; undefined: the newest page. */
  readonly before: number | undefined;
  /** `before` of the next page; undefined: there is none. */
  readonly next: number | undefined;
}

const PAGE = 100;
/** One page is looked for in so many reads: some have no change that is shown. */
const MAX_READS = 4;

/** A page of what happened in a repository. @throws RegistryError `name-unknown` if the visitor may not see it, too */
export async function loadTimeline(
  repo: RepositoryName,
  before: number | undefined,
  caller: Caller,
  { history }: Pick<Sources, 'history'>,
): Promise<TimelineData> {
  const changes: RecentChange[] = [];
  let next = before;
  for (let read = 0; read < MAX_READS && changes.length < PAGE; read++) {
    const page = await history.recentChanges(repo, { before: next, limit: PAGE - changes.length }, caller);
    changes.push(...page.changes);
    next = page.next;
    if (next === undefined) break;
  }
  return { repo, changes, before, next };
}
