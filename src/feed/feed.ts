import type { Caller } from '../access/access.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { Change, ChangeType } from './change.ts';
import type { Cursor } from './cursor.ts';

/** Where to begin. `at` is in milliseconds since 1970. */
export type Since =
  | { readonly kind: 'now' }
  | { readonly kind: 'beginning' }
  | { readonly kind: 'time'; readonly at: number }
  | { readonly kind: 'cursor'; readonly text: string };

/** Which changes a reader wants and may see. It is applied before pages are cut. */
export interface ChangeFilter {
  readonly includes: (repo: RepositoryName) => boolean;
  /** undefined: all. */
  readonly types: ReadonlySet<ChangeType> | undefined;
}

/** Everything; for readers that belong to Marina. */
export const ALL_CHANGES: ChangeFilter = { includes: () => true, types: undefined };

export interface PageOptions {
  readonly filter: ChangeFilter;
  /** Changes of a page, at most. */
  readonly limit: number;
  readonly signal: AbortSignal;
}

export interface ChangePage {
  /** May be empty although more follow: the work for one page is bounded, and many changes may not match the filter. */
  readonly changes: readonly Change[];
  /** Where the next page begins. */
  readonly cursor: Cursor;
  /** Whether the page ended before the newest change that is known. */
  readonly more: boolean;
  /** The cursor just after one of the changes, for readers that handle them one by one. @param index in `changes` */
  readonly cursorAfter: (index: number) => Cursor;
}

export interface WaitOptions {
  /** By performance.now(), in milliseconds. */
  readonly until: number;
  readonly signal: AbortSignal;
}

export interface LatestOptions extends PageOptions {
  /** Only what comes before this place; undefined: the newest. */
  readonly before: string | undefined;
}

export interface LatestPage {
  /** Newest first. May be empty although there are earlier ones, as in ChangePage. Whole slots, so it may exceed the limit by the rest of one. */
  readonly changes: readonly Change[];
  /** `before` of the next page; undefined: there is nothing earlier. */
  readonly earlier: Cursor | undefined;
  /** Just after the newest change that was known when the page was read. */
  readonly now: Cursor;
}

/**
 * All changes of all repositories (docs/changes.md). Every change that is acknowledged comes after every cursor that was given out
 * before; changes of one repository come in their order; on one path of cursors none comes twice, and from the same cursor the same ones
 * come again.
 */
export interface Feed {
  /**
   * The cursor to begin with.
   * @throws RegistryError `cursor-invalid` for a text that this store did not issue as a cursor; `cursor-unknown` for a place that its
   * history does not have
   */
  start(since: Since): Promise<Cursor>;
  /** The changes after a cursor. @throws RegistryError as `start`; `log-broken` */
  page(cursor: Cursor, options: PageOptions): Promise<ChangePage>;
  /**
   * Resolves once something may have come after the cursor, at the deadline, or when the signal is aborted. Waiting reads nothing.
   * @throws RegistryError as `start`; `overloaded` if too many wait
   */
  wait(cursor: Cursor, options: WaitOptions): Promise<void>;
}

/** The feed backwards, for people. */
export interface LatestChanges {
  /** The changes before a place. @throws RegistryError as Feed.page */
  latest(options: LatestOptions): Promise<LatestPage>;
}

/** The feed for callers of the API: each sees the changes of the repositories that it may pull from. */
export interface ChangesForCallers {
  start: Feed['start'];
  page(cursor: Cursor, options: PageOptions, caller: Caller): Promise<ChangePage>;
  latest(options: LatestOptions, caller: Caller): Promise<LatestPage>;
  wait: Feed['wait'];
}

const TIME = /^(?<day>\d{4}-\d\d-\d\d)(?:T(?<clock>\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)))?$/;

/** For messages. */
export const SINCE_FORMS =
  'now, beginning, a time such as 2026-11-28T10:15:00Z or 2026-11-28 (its beginning in UTC), or a cursor';

/** Whether it is a time that has not come, in milliseconds: nothing is later than that. */
export function isAhead(since: Since, now: number): boolean {
  return since.kind === 'time' && since.at > now;
}

/** @returns undefined for a malformed time; any other text counts as a cursor, which the feed checks */
export function parseSince(text: string): Since | undefined {
  if (text === 'now' || text === 'beginning') return { kind: text };
  if (!/^\d{4}-/.test(text)) return text === '' ? undefined : { kind: 'cursor', text };
  const { day, clock = '00:00Z' } = TIME.exec(text)?.groups ?? {};
  const at = Date.parse(`${day}T${clock}`);
  // `2026-02-30` exists for Date.parse.
  const midnight = new Date(`${day}T00:00Z`);
  if (Number.isNaN(at) || Number.isNaN(midnight.getTime()) || !midnight.toISOString().startsWith(day ?? '-'))
    return undefined;
  return { kind: 'time', at };
}
