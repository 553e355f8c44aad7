import type { Caller } from '../access/access.ts';
import type { ContentKind } from '../inspection/interface.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';

/**
 * What all repositories have, from an index that follows their logs. All methods only read. Only repositories that the caller may list
 * are seen: nothing else is found, counted, added up or called shared. Errors are RegistryErrors: `name-unknown`, `unavailable`.
 *
 * What this process has written is found by the next call. What other processes write is found once the feed reports it.
 */
export interface Overview {
  search(request: SearchRequest, caller: Caller): Promise<SearchResult>;
  repositories(request: RepositoriesRequest, caller: Caller): Promise<RepositoriesPage>;
  /** The tags of a repository. Tags that only attach something to another manifest of the repository are left out. */
  tags(repo: RepositoryName, request: TagsRequest, caller: Caller): Promise<TagsPage>;
  /** What manifests are that a repository has. Those that it does not have, or that were not read yet, are not in the answer. */
  manifests(
    repo: RepositoryName,
    digests: readonly Digest[],
    caller: Caller,
  ): Promise<ReadonlyMap<Digest, ManifestOverview>>;
  totals(caller: Caller): Promise<Totals>;
  storage(request: StorageRequest, caller: Caller): Promise<StorageReport>;
  /** Repositories that have a blob or manifest. At most `limit`, which the caller may list, without `except`. */
  sharers(digest: Digest, except: RepositoryName, limit: number, caller: Caller): Promise<Sharers>;
  /**
   * The same for several blobs and manifests of one repository. Of those that are not in the answer it would take too long to find out.
   * @param limit repositories of each
   */
  sharersOf(
    digests: readonly Digest[],
    except: RepositoryName,
    limit: number,
    caller: Caller,
  ): Promise<ReadonlyMap<Digest, Sharers>>;
}

/** Whether the index has everything that was written before: false for a while after the start, and where it follows too slowly. */
export interface Complete {
  readonly isComplete: boolean;
}

export interface SearchRequest {
  /** Words; all of them must be found. */
  readonly text: string;
  readonly offset: number;
  readonly limit: number;
}

export type Hit =
  | {
      readonly kind: 'repository';
      readonly repository: RepositoryName;
      readonly description?: string | undefined;
      readonly pushed?: string | undefined;
    }
  | {
      readonly kind: 'tag';
      readonly repository: RepositoryName;
      readonly tag: Tag;
      readonly digest: Digest;
      readonly set: string;
    }
  | {
      readonly kind: 'digest';
      readonly repository: RepositoryName;
      readonly digest: Digest;
      readonly is: 'manifest' | 'blob';
    }
  | {
      readonly kind: 'label';
      readonly repository: RepositoryName;
      /** The newest manifest that has it. */
      readonly digest: Digest;
      readonly key: string;
      readonly value: string;
    };

export interface SearchResult extends Complete {
  /** The best first. */
  readonly hits: readonly Hit[];
  /** How many there are of each kind, as far as was looked. */
  readonly counts: {
    readonly repositories: number;
    readonly tags: number;
    readonly digests: number;
    readonly labels: number;
  };
  /** Whether there are more than were looked at. */
  readonly isCut: boolean;
  readonly more: boolean;
}

export type RepositorySort = 'name' | 'pushed' | 'size';

export interface RepositoriesRequest {
  /** By name ascending, by the last push or size descending. */
  readonly sort: RepositorySort;
  /** Only repositories whose name has this text. */
  readonly text?: string | undefined;
  /** Only repositories below this name. */
  readonly under?: RepositoryName | undefined;
  /** `next` of the page before. */
  readonly after?: string | undefined;
  readonly limit: number;
}

export interface RepositorySummary {
  readonly name: RepositoryName;
  readonly description?: string | undefined;
  readonly tags: number;
  /** Of all its blobs and manifests. */
  readonly bytes: number;
  /** Of those that another repository has, too; undefined if that would take too long to find out. */
  readonly shared?: number | undefined;
  readonly pushed?: { readonly at: string; readonly by?: string | undefined } | undefined;
  /** Pushes of manifests on each of the last 30 days, in UTC, the oldest first. */
  readonly pushes: readonly number[];
}

export interface RepositoriesPage extends Complete {
  readonly items: readonly RepositorySummary[];
  readonly next?: string | undefined;
}

export type TagSort = 'time' | 'name' | 'version';

export interface TagsRequest {
  /** By name ascending, by time and version descending; tags that are no versions come last. */
  readonly sort: TagSort;
  readonly text?: string | undefined;
  readonly offset: number;
  readonly limit: number;
}

export interface TagSummary {
  readonly tag: Tag;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly artifactType?: string | undefined;
  readonly kind: ContentKind;
  /** Bytes of the manifest and of what it names. */
  readonly total: number;
  readonly set: string;
  readonly by?: string | undefined;
  /** Empty until its config was read. */
  readonly platforms: readonly string[];
  readonly created?: string | undefined;
  readonly badges: { readonly signed: boolean; readonly sbom: boolean; readonly attested: boolean };
}

export interface ManifestOverview {
  readonly kind: ContentKind;
  /** Bytes of the manifest and of what it names. */
  readonly total: number;
  readonly platforms: readonly string[];
  /** Whether it is an index with attestations. */
  readonly isAttested: boolean;
}

export interface TagsPage extends Complete {
  readonly items: readonly TagSummary[];
  /** How many match. */
  readonly count: number;
  /** Tags that were left out, because they attach something to another manifest. */
  readonly folded: number;
  readonly more: boolean;
}

export interface Totals extends Complete {
  readonly repositories: number;
  readonly tags: number;
  /** As if nothing were shared. */
  readonly bytes: number;
  /** Each blob and manifest once; undefined if that would take too long to find out. */
  readonly stored?: number | undefined;
  /** What the last collection found and left for a later one; undefined if none ran, or the caller does not see everything. */
  readonly garbage?: { readonly objects: number; readonly bytes: number; readonly at: string } | undefined;
}

export interface StorageRequest {
  /** Only this repository. */
  readonly repo?: RepositoryName | undefined;
  /** Repositories, the largest first. */
  readonly repositories: number;
  /** Parts of each, the largest first. */
  readonly parts: number;
}

export interface StoragePart {
  readonly digest: Digest;
  readonly bytes: number;
  /** How many other repositories have it. Counting ends at 100. Undefined if that would take too long to find out. */
  readonly sharedWith?: number | undefined;
}

export interface StorageReport extends Complete {
  readonly repositories: readonly {
    readonly name: RepositoryName;
    readonly bytes: number;
    readonly shared?: number | undefined;
    readonly parts: readonly StoragePart[];
    /** What is not in `parts`. */
    readonly rest: { readonly count: number; readonly bytes: number };
  }[];
  /** Repositories that are not in the list. */
  readonly rest: { readonly count: number; readonly bytes: number };
  readonly largest: readonly (StoragePart & { readonly repository: RepositoryName })[];
  /** Tags that have been unused for the longest time; that first. */
  readonly oldest: readonly {
    readonly repository: RepositoryName;
    readonly tag: Tag;
    readonly digest: Digest;
    readonly bytes: number;
    readonly set: string;
    /** Since when it was neither set nor, if `knowsPulls`, pulled. A tag whose pulls nobody recorded may have been pulled until then. */
    readonly unusedSince: string;
  }[];
  /** Whether the times of pulls are recorded: only if a rule of retention depends on them. */
  readonly knowsPulls: boolean;
  /** Tags that retention will delete within a day, as its last run announced. */
  readonly expiring: readonly { readonly repository: RepositoryName; readonly tag: Tag; readonly digest: Digest }[];
}

/** The latest time at which a tag may have been pulled, in milliseconds. */
export type PulledAt = (repo: RepositoryName, tag: Tag, digest: Digest) => number;

export interface Sharers {
  readonly repositories: readonly RepositoryName[];
  readonly more: boolean;
}
