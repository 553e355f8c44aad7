import { SortedNames } from '../journal/sorted-names.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { CATALOG, repositoryOfMarker } from '../storage/paths.ts';
import type { Page } from './projection.ts';

/** How many logs are looked at together when it is not known yet which repositories were deleted. */
const PROBES = 16;

/** All repositories, from the markers; whether one still exists its log says, asked once. */
export class MemoryCatalog {
  readonly #driver: StoreReader;
  readonly #exists: (repo: RepositoryName) => Promise<boolean>;
  /** true, false, or not looked at yet. */
  readonly #known = new Map<RepositoryName, boolean | undefined>();
  readonly #names = new SortedNames<RepositoryName>(() => this.#known.keys());
  readonly #probes: boolean;
  #listing: Promise<void> | undefined;
  #isListed = false;

  /** @param probes other processes may write too: nothing is remembered */
  constructor(driver: StoreReader, exists: (repo: RepositoryName) => Promise<boolean>, probes = false) {
    this.#driver = driver;
    this.#exists = exists;
    this.#probes = probes;
  }

  /** A repository began to exist, or ceased to. */
  changed(repo: RepositoryName, exists: boolean): void {
    if (!this.#known.has(repo)) this.#names.added(repo);
    this.#known.set(repo, exists);
  }

  /** A log of it may be there from now on, or has just been begun. */
  noticed(repo: RepositoryName): void {
    if (this.#known.has(repo)) return;
    this.#names.added(repo);
    this.#known.set(repo, undefined);
  }

  /**
   * Whether it is certain that the repository has no log, so that nobody needs to ask the store. Until all names were listed
   * it is not: that goes on meanwhile, and takes longer than to look at one log.
   */
  lacks(repo: RepositoryName): boolean {
    if (this.#probes || this.#known.has(repo)) return false;
    // Nobody waits for it; what it fails with, it fails with again when it is needed next.
    if (!this.#isListed) this.#listOnce().catch(() => undefined);
    return this.#isListed;
  }

  async page(after: string | undefined, limit: number): Promise<Page<RepositoryName>> {
    if (this.#probes) return this.#pageAnew(after, limit);
    await this.#listOnce();
    // One more than asked for tells whether another page follows.
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

  async #pageAnew(after: string | undefined, limit: number): Promise<Page<RepositoryName>> {
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
  }

  async #probe(names: readonly RepositoryName[]): Promise<void> {
    const unknown = names.filter((name) => this.#known.get(name) === undefined);
    for (let start = 0; start < unknown.length; start += PROBES) {
      await Promise.all(unknown.slice(start, start + PROBES).map((name) => this.#probeOne(name)));
    }
  }

  async #probeOne(name: RepositoryName): Promise<void> {
    const exists = await this.#exists(name);
    // A write that came meanwhile knows better.
    if (this.#known.get(name) === undefined) this.#known.set(name, exists);
  }
}
