import type { Database } from 'bun:sqlite';
import type { AccessPolicy, Caller } from '../access/access.ts';
import { showsTo } from '../access/shown.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import { nameUnknown } from '../registry/require-repository.ts';
import type {
  ManifestOverview,
  Overview,
  PulledAt,
  RepositoriesPage,
  RepositoriesRequest,
  SearchRequest,
  SearchResult,
  Sharers,
  StorageReport,
  StorageRequest,
  TagsPage,
  TagsRequest,
  Totals,
} from './interface.ts';
import { Repositories } from './repositories.ts';
import { Search } from './search.ts';
import { Storage } from './storage.ts';
import { Tags } from './tags.ts';
import { RepositoryList, type Visible } from './visible.ts';

export interface OverviewPorts {
  /** A connection that only reads. */
  readonly database: Database;
  readonly access: AccessPolicy;
  /** Milliseconds. */
  readonly now: () => number;
  /** Resolves when what this process has written before is in the index, or after a moment. @returns whether it is */
  readonly caughtUp: () => Promise<boolean>;
  /** What the last collection left; undefined if none ran. */
  readonly garbage: () => Promise<Totals['garbage']>;
  /** When tags were last pulled; undefined if that is not recorded, or cannot be read. */
  readonly pulls: () => Promise<PulledAt | undefined>;
  /** Tags that retention has announced to delete. */
  readonly expiring: () => StorageReport['expiring'];
}

/** Answers from the index. Each answer is made from what was committed at one moment, without a wait in between. */
export class OverviewService implements Overview {
  readonly #ports: OverviewPorts;
  readonly #list: RepositoryList;
  readonly #search: Search;
  readonly #repositories: Repositories;
  readonly #tags: Tags;
  readonly #storage: Storage;

  constructor(ports: OverviewPorts) {
    const { database } = ports;
    this.#ports = ports;
    this.#list = new RepositoryList(database);
    this.#search = new Search(database);
    this.#repositories = new Repositories(database);
    this.#tags = new Tags(database);
    this.#storage = new Storage(database);
  }

  async search(request: SearchRequest, caller: Caller): Promise<SearchResult> {
    return await this.#answer(caller, (visible) => this.#search.run(request, visible));
  }

  async repositories(request: RepositoriesRequest, caller: Caller): Promise<RepositoriesPage> {
    return await this.#answer(caller, (visible) => this.#repositories.page(request, visible, this.#ports.now()));
  }

  async tags(repo: RepositoryName, request: TagsRequest, caller: Caller): Promise<TagsPage> {
    if (!this.#ports.access.allows(caller, 'pull', repo)) throw nameUnknown(repo);
    const isComplete = await this.#ports.caughtUp();
    const page = this.#ports.database.transaction(() => this.#tags.page(repo, request)).deferred();
    if (page !== undefined) return { ...page, isComplete };
    // Until the index has everything, a repository that it does not have may exist.
    if (isComplete) throw nameUnknown(repo);
    return { items: [], count: 0, folded: 0, more: false, isComplete };
  }

  async manifests(
    repo: RepositoryName,
    digests: readonly Digest[],
    caller: Caller,
  ): Promise<ReadonlyMap<Digest, ManifestOverview>> {
    const { access, caughtUp, database } = this.#ports;
    if (digests.length === 0 || !access.allows(caller, 'pull', repo)) return new Map();
    await caughtUp();
    return database.transaction(() => this.#tags.manifests(repo, digests)).deferred();
  }

  async totals(caller: Caller): Promise<Totals> {
    const garbage = await this.#ports.garbage();
    return await this.#answer(caller, (visible) => ({
      ...this.#storage.totals(visible),
      garbage: visible.isAll ? garbage : undefined,
    }));
  }

  async storage(request: StorageRequest, caller: Caller): Promise<StorageReport> {
    const { access, expiring, pulls } = this.#ports;
    const shows = showsTo(caller, access);
    const pulledAt = await pulls();
    return await this.#answer(caller, (visible) => ({
      ...this.#storage.report(request, visible, pulledAt),
      expiring: expiring().filter(
        ({ repository }) => (request.repo === undefined || request.repo === repository) && shows(repository),
      ),
    }));
  }

  async sharers(digest: Digest, except: RepositoryName, limit: number, caller: Caller): Promise<Sharers> {
    const { found } = await this.#answer(caller, (visible) => ({
      found: this.#storage.sharers(digest, except, limit + 1, visible),
    }));
    return { repositories: found.slice(0, limit), more: found.length > limit };
  }

  async sharersOf(
    digests: readonly Digest[],
    except: RepositoryName,
    limit: number,
    caller: Caller,
  ): Promise<ReadonlyMap<Digest, Sharers>> {
    const { found } = await this.#answer(caller, (visible) => ({
      found: this.#storage.sharersOf(digests, except, limit + 1, visible),
    }));
    return new Map(
      Array.from(found, ([digest, repositories]) => [
        digest,
        { repositories: repositories.slice(0, limit), more: repositories.length > limit },
      ]),
    );
  }

  async #answer<T>(caller: Caller, read: (visible: Visible) => T): Promise<T & { readonly isComplete: boolean }> {
    const { access, caughtUp, database } = this.#ports;
    const isComplete = await caughtUp();
    // What is visible and what is read belong to the same commit: a repository that is added in between may be hidden.
    const answer = database.transaction(() => read(this.#list.visibleTo(caller, access))).deferred();
    return { ...answer, isComplete };
  }
}
