import { SortedNames } from '../journal/sorted-names.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { keysBelow } from '../storage/keys-below.ts';
import { CATALOG, repositoryOfMarker } from '../storage/paths.ts';
import type { Page } from './projection.ts';
import type { Changes } from './threads/changed-names.ts';
import type { Count, Heads } from './threads/heads.ts';
import { Looks } from './threads/looks.ts';

/** How many logs are probed concurrently while it is unknown which repositories were deleted. */
const PROBES = 16;

export interface MemoryCatalogPorts {
  readonly driver: StoreReader;
  /** Whether the repository exists according to its log. */
  readonly exists: (repo: RepositoryName) => Promise<boolean>;
  /** Whether other processes write to the store, so that nothing may be cached. */
  readonly probes: boolean;
  /** The table of this process's threads, if it has several. */
  readonly heads?: Heads | undefined;
  /** Called with the failure of a listing in the background, once until a listing succeeds. */
  readonly listingFailed: (error: unknown) => void;
}

/**
 * All repositories, from the markers. Each log is probed once to find out whether its repository still exists. If other threads write
 * too, they say which repositories were created or deleted since, and the logs of those are probed again.
 */
export class MemoryCatalog {
  readonly #driver: StoreReader;
  readonly #exists: (repo: RepositoryName) => Promise<boolean>;
  /** Whether the repository exists; undefined: its log was not probed yet. */
  readonly #known = new Map<RepositoryName, boolean | undefined>();
  readonly #names = new SortedNames<RepositoryName>(() => this.#known.keys());
  readonly #probes: boolean;
  readonly #listingFailed: (error: unknown) => void;
  readonly #heads: Heads | undefined;
  /** The count of the repository's creations and deletions before its log was probed. Used only with `heads`. */
  readonly #probedAt = new Map<RepositoryName, Count>();
  readonly #looks: Looks<Changes | undefined>;
  #listing: Promise<void> | undefined;
  /** Repositories that other threads have created up to here are known. Used only with `heads`. */
  #followed: Changes | undefined;
  #isListed = false;
  #hasReportedFailure = false;

  constructor({ driver, exists, probes, heads, listingFailed }: MemoryCatalogPorts) {
    this.#driver = driver;
    this.#exists = exists;
    this.#probes = probes;
    this.#heads = heads;
    this.#listingFailed = listingFailed;
    this.#looks = new Looks({ sign: () => heads?.changed.count(), look: () => this.#list() });
  }

  /** A repository was created or deleted by this thread. */
  changed(repo: RepositoryName, exists: boolean): void {
    if (!this.#known.has(repo)) this.#names.added(repo);
    this.#known.set(repo, exists);
    // Another thread may have changed it since.
    this.#probedAt.delete(repo);
  }

  /** The repository has a log, or may have one. */
  noticed(repo: RepositoryName): void {
    if (this.#known.has(repo)) return;
    this.#names.added(repo);
    this.#known.set(repo, undefined);
  }

  /**
   * Whether the repository certainly has no log, so that the store need not be read. False until all markers are listed. The first
   * call starts the listing in the background, because reading one log is faster than waiting for it.
   */
  lacks(repo: RepositoryName): boolean {
    if (this.#probes || this.#known.has(repo)) return false;
    if (this.#isComplete()) return !this.#known.has(repo);
    // The next call starts a failed listing again.
    this.#listed().catch(this.#reportFailure);
    return false;
  }

  async page(after: string | undefined, limit: number): Promise<Page<RepositoryName>> {
    if (this.#probes) return this.#pageFromStore(after, limit);
    await this.#listed();
    // One more than requested tells whether another page follows.
    const items: RepositoryName[] = [];
    for (let last = after; items.length <= limit; ) {
      const { names, more } = this.#names.page(last, limit + 1 - items.length);
      items.push(...(await this.#existing(names)));
      last = names[names.length - 1];
      if (!more) break;
    }
    return { items: items.slice(0, limit), more: items.length > limit };
  }

  async #pageFromStore(after: string | undefined, limit: number): Promise<Page<RepositoryName>> {
    const names: RepositoryName[] = [];
    for await (const key of keysBelow(this.#driver, CATALOG)) {
      const repo = repositoryOfMarker(key);
      if (repo !== undefined && (after === undefined || repo > after)) names.push(repo);
    }
    names.sort();
    const items: RepositoryName[] = [];
    for (let start = 0; start < names.length && items.length <= limit; start += PROBES) {
      const some = names.slice(start, start + PROBES);
      const exist = await Promise.all(some.map((name) => this.#exists(name)));
      items.push(...some.filter((_, index) => exist[index]));
    }
    return { items: items.slice(0, limit), more: items.length > limit };
  }

  readonly #reportFailure = (error: unknown): void => {
    if (this.#hasReportedFailure) return;
    this.#hasReportedFailure = true;
    this.#listingFailed(error);
  };

  /** Whether all repositories are known: after the listing, and once this thread has followed the others. */
  #isComplete(): boolean {
    if (!this.#isListed || this.#heads === undefined) return this.#isListed;
    const news = this.#followed === undefined ? undefined : this.#heads.changed.since(this.#followed);
    if (news === undefined) return false;
    for (const name of news.names) this.noticed(name);
    this.#followed = news.count;
    return true;
  }

  /** Resolves when every repository that was acknowledged or shown before this call is known. */
  #listed(): Promise<void> {
    if (this.#heads === undefined) return this.#listOnce();
    return this.#isComplete() ? Promise.resolve() : this.#looks.since(this.#heads.changed.count());
  }

  #listOnce(): Promise<void> {
    this.#listing ??= this.#list().catch((error: unknown) => {
      this.#listing = undefined;
      throw error;
    });
    return this.#listing;
  }

  async #list(): Promise<void> {
    const before = this.#heads?.changed.count();
    for await (const key of keysBelow(this.#driver, CATALOG)) {
      const repo = repositoryOfMarker(key);
      if (repo !== undefined && !this.#known.has(repo)) {
        this.#known.set(repo, undefined);
        this.#names.added(repo);
      }
    }
    this.#followed = before;
    this.#isListed = true;
    this.#hasReportedFailure = false;
  }

  /** Those of the repositories that exist. */
  async #existing(names: readonly RepositoryName[]): Promise<RepositoryName[]> {
    const existing: RepositoryName[] = [];
    for (let start = 0; start < names.length; start += PROBES) {
      const some = names.slice(start, start + PROBES);
      const exist = await Promise.all(some.map((name) => this.#knownToExist(name) ?? this.#probeOne(name)));
      existing.push(...some.filter((_, index) => exist[index]));
    }
    return existing;
  }

  /** undefined: its log must be probed, for the first time or because another thread has changed it. */
  #knownToExist(name: RepositoryName): boolean | undefined {
    const isCurrent = this.#heads === undefined || this.#probedAt.get(name) === this.#heads.of(name).existence();
    return isCurrent ? this.#known.get(name) : undefined;
  }

  async #probeOne(name: RepositoryName): Promise<boolean> {
    const before = this.#heads?.of(name).existence();
    const exists = await this.#exists(name);
    // A write that completed meanwhile is newer.
    const newer = this.#knownToExist(name);
    if (newer !== undefined) return newer;
    this.#known.set(name, exists);
    if (before !== undefined) this.#probedAt.set(name, before);
    return exists;
  }
}
