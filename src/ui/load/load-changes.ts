import type { Caller } from '../../access/access.ts';
import type { Change } from '../../feed/change.ts';
import type { Cursor } from '../../feed/cursor.ts';
import type { ChangeFilter, ChangesForCallers } from '../../feed/feed.ts';
import { Patterns, problemOfPattern } from '../../rule-file/patterns.ts';
import { type ChangeGroup, typesOf } from '../models/change-groups.ts';

export interface ChangesRequest {
  /** A glob; empty: all repositories. */
  readonly repository: string;
  readonly show: ChangeGroup;
  /** A cursor. */
  readonly before: string | undefined;
}

export interface ChangesData {
  /** Newest first. */
  readonly changes: readonly Change[];
  /** What is wrong with the glob; then there are no changes. */
  readonly problem: string | undefined;
  /** `before` of the next page. */
  readonly earlier: Cursor | undefined;
  /** Where to wait for newer ones; undefined on pages of earlier ones. */
  readonly now: Cursor | undefined;
}

const PAGE = 50;

/** The latest changes of the repositories that the visitor may pull from. @throws RegistryError as Feed.latest */
export async function loadChanges(
  request: ChangesRequest,
  caller: Caller,
  feed: ChangesForCallers,
  limit = PAGE,
): Promise<ChangesData> {
  const { repository, before } = request;
  const problem = repository === '' ? undefined : problemOfPattern('repository', repository);
  if (problem !== undefined) return { changes: [], problem, earlier: undefined, now: undefined };
  const filter = changeFilter(request);
  const { changes, earlier, now } = await feed.latest({ before, filter, limit, signal: caller.signal }, caller);
  // One note names the slots of about a second by repository.
  const byTime = changes.toSorted((one, other) => Date.parse(other.time) - Date.parse(one.time));
  return { changes: byTime, problem, earlier, now: before === undefined ? now : undefined };
}

/** @param repository a valid glob, or empty */
export function changeFilter({ repository, show }: Pick<ChangesRequest, 'repository' | 'show'>): ChangeFilter {
  const glob = repository === '' ? undefined : new Patterns([repository]);
  return { includes: (repo) => glob?.matches(repo) ?? true, types: typesOf(show) };
}
