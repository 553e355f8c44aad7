import { SortedNames } from '../journal/sorted-names.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { CATALOG, repositoryOfMarker } from '../storage/paths.ts';
import type { Page } from './projection.ts';

/** How many logs are probed concurrently while it is unknown which repositories were deleted. */
const PROBES = 16;

export interface MemoryCatalogPorts {
  readonly driver: StoreReader;
  /** Whether the repository exists according to its log. */
  readonly exists: (repo: RepositoryName) => Promise<boolean>;
  /** Whether other processes write to the store, so that nothing may be cached. */
  readonly probes: boolean;
  /** Called with the failure of a listing in the background, once until a listing succeeds. */
  readonly listingFailed: (error: unknown) => void;
}

/** All repositories, from the markers. Each log is probed once to find out whether its repository still exists. */
export class MemoryCatalog {
  readonly #driver: StoreReader;
  readonly #exists: (repo: RepositoryName) => Promise<boolean>;
  /** Whether the repository exists; undefined: its log was not probed yet. */
  readonly #known = new Map<RepositoryName, boolean | undefined>();
  readonly #names = new SortedNames<RepositoryName>(() => this.#known.keys());
  readonly #probes: boolean;
  readonly #listingFailed: (error: unknown) => void;
  #listing: Promise<void> | undefined;
  #isListed = false;
  #hasReportedFailure = false;

  constructor({ driver, exists, probes, listingFailed }: MemoryCatalogPorts) {
    this.#driver = driver;
    this.#exists = exists;
    this.#probes = probes;
    this.#listingFailed = listingFailed;
  }

  /** A repository was created or deleted. */
  changed(repo: RepositoryName, exists: boolean): void {
    if (!this.#known.has(repo)) this.#names.added(repo);
    this.#known.set(repo, exists);
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
    // The next call starts a failed listing again.
    if (!this.#isListed) this.#listOnce().catch(this.#reportFailure);
    return this.#isListed;
  }

  async page(after: string | undefined, limit: number): Promise<Page<RepositoryName>> {
    if (this.#probes) return this.#pageFromStore(after, limit);
    await this.#listOnce();
    // One more than requested tells whether another page follows.
    const items: RepositoryName[] = [];
    for (let last = after; items.length <= limit; ) {
      const { names, more } = this.#names.page(last, limit + 1 - items.length);
      await this.#probe(names);
      items.push(...names.filter((name) => this.#known.get(name) === true));
      last = names[names.length - 1];
      if (!more) break;
    }
    return { items: items.slice(0, limit), more: items.length > limit };
  }

  async #pageFromStore(after: string | undefined, limit: number): Promise<Page<RepositoryName>> {
    const names: RepositoryName[] = [];
    for await (const { key } of this.#driver.list(CATALOG)) {
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

  #listOnce(): Promise<void> {
    this.#listing ??= this.#list().catch((error: unknown) => {
      this.#listing = undefined;
      throw error;
    });
    return this.#listing;
  }

  async #list(): Promise<void> {
    for await (const { key } of this.#driver.list(CATALOG)) {
      const repo = repositoryOfMarker(key);
      if (repo !== undefined && !this.#known.has(repo)) {
        this.#known.set(repo, undefined);
        this.#names.added(repo);
      }
    }
    this.#isListed = true;
    this.#hasReportedFailure = false;
  }

  async #probe(names: readonly RepositoryName[]): Promise<void> {
    const unknown = names.filter((name) => this.#known.get(name) === undefined);
    for (let start = 0; start < unknown.length; start += PROBES) {
      await Promise.all(unknown.slice(start, start + PROBES).map((name) => this.#probeOne(name)));
    }
  }

  async #probeOne(name: RepositoryName): Promise<void> {
    const exists = await this.#exists(name);
    // A write that completed meanwhile is newer.
    if (this.#known.get(name) === undefined) this.#known.set(name, exists);
  }
}
