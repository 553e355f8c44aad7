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

  async page(cursor: Cursor, options: PageOptions, caller: Caller): Promise<ChangePage> {
    if (this.#policy.maySeeAny(caller))
      return await this.#feed.page(cursor, { ...options, filter: this.#filterFor(caller, options.filter) });
    // Strangers cannot make this registry read its notes.
    const now = await this.#nowAfter(cursor);
    return { changes: [], cursor: now, more: false, cursorAfter: () => now };
  }

  async latest(options: LatestOptions, caller: Caller): Promise<LatestPage> {
    if (this.#policy.maySeeAny(caller))
      return await this.#feed.latest({ ...options, filter: this.#filterFor(caller, options.filter) });
    return { changes: [], earlier: undefined, now: await this.#nowAfter(options.before) };
  }

  wait(cursor: Cursor, options: WaitOptions): Promise<void> {
    return this.#feed.wait(cursor, options);
  }

  /** @param cursor where the caller is; undefined: nowhere yet. @throws RegistryError as Feed.start */
  async #nowAfter(cursor: string | undefined): Promise<Cursor> {
    if (cursor !== undefined) await this.#feed.start({ kind: 'cursor', text: cursor });
    return await this.#feed.start({ kind: 'now' });
  }

  #filterFor(caller: Caller, filter: ChangeFilter): ChangeFilter {
    // The operator wrote the rules, but the caller the glob: it runs only on names that the caller may know.
    return { ...filter, includes: (repo) => this.#mayRead(caller, repo) && filter.includes(repo) };
  }

  /** A token is for the repositories that it names; one for the catalog is for all that the catalog shows. */
  #mayRead(caller: Caller, repo: RepositoryName): boolean {
    if (this.#policy.allows(caller, 'pull', repo)) return true;
    return this.#policy.allowsRegistry(caller, 'catalog') && this.#policy.mayList(caller, repo);
  }
}
