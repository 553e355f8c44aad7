import type { AccessPolicy, Caller } from '../access/access.ts';
import type { Cursor } from '../feed/cursor.ts';
import type {
  ChangeFilter,
  ChangePage,
  ChangesForCallers,
  Feed,
  LatestChanges,
  LatestOptions,
  LatestPage,
  PageOptions,
  Since,
  WaitOptions,
} from '../feed/feed.ts';
import type { RepositoryName } from '../oci/names.ts';

/**
 * A caller sees the changes of the repositories that it may pull from, by the rules of today. Other repositories are left out before a page
 * is cut, so pages look as if they did not exist.
 */
export class FeedAccess implements ChangesForCallers {
  readonly #feed: Feed & LatestChanges;
  readonly #policy: AccessPolicy;

  constructor(feed: Feed & LatestChanges, policy: AccessPolicy) {
    this.#feed = feed;
    this.#policy = policy;
  }

  start(since: Since): Promise<Cursor> {
    return this.#feed.start(since);
  }

  page(cursor: Cursor, options: PageOptions, caller: Caller): Promise<ChangePage> {
    return this.#feed.page(cursor, { ...options, filter: this.#filterFor(caller, options.filter) });
  }

  latest(options: LatestOptions, caller: Caller): Promise<LatestPage> {
    return this.#feed.latest({ ...options, filter: this.#filterFor(caller, options.filter) });
  }

  wait(cursor: Cursor, options: WaitOptions): Promise<void> {
    return this.#feed.wait(cursor, options);
  }

  #filterFor(caller: Caller, filter: ChangeFilter): ChangeFilter {
    // A glob is matched faster than the rules.
    return { ...filter, includes: (repo) => filter.includes(repo) && this.#mayRead(caller, repo) };
  }

  /** A token is for the repositories that it names; one for the catalog is for all that the catalog shows. */
  #mayRead(caller: Caller, repo: RepositoryName): boolean {
    if (this.#policy.allows(caller, 'pull', repo)) return true;
    return this.#policy.allowsRegistry(caller, 'catalog') && this.#policy.mayList(caller, repo);
  }
}
