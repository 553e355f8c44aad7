import type { AccessPolicy, Caller } from '../access/access.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import { EmptyOverview } from './empty-overview.ts';
import type { Overview, RepositoriesRequest, SearchRequest, StorageRequest, TagsRequest } from './interface.ts';

/**
 * An overview that is opened by the first caller who may see any repository. A registry whose overview is not used does not pay for it,
 * and callers who may see nothing cannot make it do so.
 */
export class LazyOverview implements Overview {
  readonly #access: Pick<AccessPolicy, 'maySeeAny'>;
  readonly #open: () => Promise<Overview>;
  readonly #empty = new EmptyOverview();
  #opened: Promise<Overview> | undefined;

  constructor(access: Pick<AccessPolicy, 'maySeeAny'>, open: () => Promise<Overview>) {
    this.#access = access;
    this.#open = open;
  }

  async search(request: SearchRequest, caller: Caller): ReturnType<Overview['search']> {
    return await (await this.#for(caller)).search(request, caller);
  }

  async repositories(request: RepositoriesRequest, caller: Caller): ReturnType<Overview['repositories']> {
    return await (await this.#for(caller)).repositories(request, caller);
  }

  async tags(repo: RepositoryName, request: TagsRequest, caller: Caller): ReturnType<Overview['tags']> {
    return await (await this.#for(caller)).tags(repo, request, caller);
  }

  async manifests(repo: RepositoryName, digests: readonly Digest[], caller: Caller): ReturnType<Overview['manifests']> {
    return await (await this.#for(caller)).manifests(repo, digests, caller);
  }

  async totals(caller: Caller): ReturnType<Overview['totals']> {
    return await (await this.#for(caller)).totals(caller);
  }

  async storage(request: StorageRequest, caller: Caller): ReturnType<Overview['storage']> {
    return await (await this.#for(caller)).storage(request, caller);
  }

  async sharers(
    digest: Digest,
    except: RepositoryName,
    limit: number,
    caller: Caller,
  ): ReturnType<Overview['sharers']> {
    return await (await this.#for(caller)).sharers(digest, except, limit, caller);
  }

  async sharersOf(
    digests: readonly Digest[],
    except: RepositoryName,
    limit: number,
    caller: Caller,
  ): ReturnType<Overview['sharersOf']> {
    return await (await this.#for(caller)).sharersOf(digests, except, limit, caller);
  }

  async #for(caller: Caller): Promise<Overview> {
    if (!this.#access.maySeeAny(caller)) return this.#empty;
    this.#opened ??= this.#open().catch((error: unknown) => {
      // The next call tries again.
      this.#opened = undefined;
      throw error;
    });
    return await this.#opened;
  }
}
