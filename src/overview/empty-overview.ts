import type { Digest, RepositoryName } from '../oci/names.ts';
import { nameUnknown } from '../registry/require-repository.ts';
import type {
  ManifestOverview,
  Overview,
  RepositoriesPage,
  SearchResult,
  Sharers,
  StorageReport,
  TagsPage,
  Totals,
} from './interface.ts';

/** What a caller gets who can see no repository. It needs no index. */
export class EmptyOverview implements Overview {
  async search(): Promise<SearchResult> {
    const counts = { repositories: 0, tags: 0, digests: 0, labels: 0 };
    return { hits: [], counts, isCut: false, more: false, isComplete: true };
  }

  async repositories(): Promise<RepositoriesPage> {
    return { items: [], isComplete: true };
  }

  async tags(repo: RepositoryName): Promise<TagsPage> {
    throw nameUnknown(repo);
  }

  async manifests(): Promise<ReadonlyMap<Digest, ManifestOverview>> {
    return new Map();
  }

  async totals(): Promise<Totals> {
    return { repositories: 0, tags: 0, bytes: 0, stored: 0, isComplete: true };
  }

  async storage(): Promise<StorageReport> {
    const rest = { count: 0, bytes: 0 };
    return { repositories: [], rest, largest: [], oldest: [], knowsPulls: false, expiring: [], isComplete: true };
  }

  async sharers(): Promise<Sharers> {
    return { repositories: [], more: false };
  }

  async sharersOf(): Promise<ReadonlyMap<Digest, Sharers>> {
    return new Map();
  }
}
