import type { Caller } from '../access/access.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import type { Page } from '../projection/projection.ts';
import type { Descriptor } from '../registry/interface.ts';
import type { DiffSide } from './diff-side.ts';
import type { ManifestDiff } from './manifest-diff.ts';
import type { Moment } from './moment.ts';
import type { RepositoryDiff } from './repository-diff.ts';
import type { RecordedTagChange } from './tag-history.ts';

/**
 * What the logs tell of the past. All methods only read. Errors are RegistryErrors: `name-unknown` for a repository that never had a
 * log, or did not exist then; `request-invalid` for a moment that is not over or a slot that does not exist; `denied`, `unavailable`,
 * `log-broken`.
 */
export interface History {
  /**
   * Every value that a tag had, oldest first. Empty if the repository never had the tag.
   * @param page `after`: the slot after which it begins. A page may have fewer changes than `limit`, or none, though more follow.
   */
  tagHistory(
    repo: RepositoryName,
    tag: Tag,
    page: { readonly after: number; readonly limit: number },
    caller: Caller,
  ): Promise<TagHistoryPage>;
  /** A repository as it was, or as it is if `at` is undefined. */
  repositoryAt(
    repo: RepositoryName,
    at: Moment | undefined,
    request: RepositoryRequest,
    caller: Caller,
  ): Promise<RepositoryAt>;
  /**
   * What differs between two moments of a repository, or between two manifests of it.
   * @throws also `request-invalid` if one side is a moment and the other is not, `manifest-unknown`, and `blob-unknown` if the bytes
   * of a manifest were freed
   */
  diff(repo: RepositoryName, from: DiffSide, to: DiffSide, caller: Caller): Promise<RepositoryDiff | ManifestDiff>;
  /** What a repository has, or had if `at` is given. */
  contents(repo: RepositoryName, at: Moment | undefined, caller: Caller): Promise<RepositoryContents>;
  /** The last slot of a repository at or before a moment, whether or not the repository existed then; 0 before the first one. */
  slotAt(repo: RepositoryName, at: Moment, caller: Caller): Promise<SlotTime>;
  /** What happened in a repository, newest first; also in one that was deleted. */
  recentChanges(repo: RepositoryName, page: RecentPage, caller: Caller): Promise<RecentChanges>;
}

export interface TagHistoryPage {
  readonly changes: readonly RecordedTagChange[];
  /** The next page begins after this slot; undefined: there is none. */
  readonly next: number | undefined;
}

export interface RepositoryRequest {
  readonly limit: number;
  readonly tagsAfter: string | undefined;
  readonly manifestsAfter: Digest | undefined;
  /** Only manifests with this subject: its referrers. */
  readonly subject: Digest | undefined;
}

/** A slot of a repository's log and its time. */
export interface SlotTime {
  /** 0: before the first slot. */
  readonly seq: number;
  /** ISO 8601; undefined before the first slot. */
  readonly time: string | undefined;
}

export interface RepositoryAt extends SlotTime {
  readonly counts: { readonly tags: number; readonly manifests: number; readonly blobs: number };
  /** Of all blobs and manifests, each once. */
  readonly bytes: number;
  readonly tags: Page<TagAt>;
  /** In the order of their digests. */
  readonly manifests: Page<ManifestAt>;
}

export interface TagAt {
  readonly tag: Tag;
  readonly digest: Digest;
  /** When it was last set, ISO 8601. */
  readonly set: string;
}

export interface ManifestAt extends Descriptor {
  readonly subject: Digest | undefined;
  /** When it was last pushed, ISO 8601. */
  readonly pushed: string;
  /** How many manifests have it as their subject. */
  readonly referrers: number;
}

/** A repository at one moment. Its functions look at memory only. */
export interface RepositoryContents extends SlotTime {
  readonly counts: RepositoryAt['counts'];
  /** Of all blobs and manifests, each once. */
  readonly bytes: number;
  /** @returns undefined if the repository did not have the tag */
  tag(tag: Tag): Digest | undefined;
  tagsOf(digest: Digest): readonly Tag[];
  /** All of them, in no order, each with the time in milliseconds since 1970 at which it was last set. */
  tags(): Iterable<{ readonly tag: Tag; readonly digest: Digest; readonly set: number }>;
  /** The types of up to `limit` manifests whose subject it is. */
  referrers(digest: Digest, limit: number): readonly Pick<Descriptor, 'mediaType' | 'artifactType'>[];
  /** When a manifest was last pushed, in milliseconds since 1970; undefined if the repository did not have it. */
  pushed(digest: Digest): number | undefined;
}

export interface RecentPage {
  /** Only slots before this one; undefined: from the newest on. */
  readonly before: number | undefined;
  /** Changes of one slot stay on one page, so there may be more. */
  readonly limit: number;
}

export interface RecentChanges {
  readonly changes: readonly RecentChange[];
  /** `before` of the next page; undefined: there is none. */
  readonly next: number | undefined;
}

/** A change that people care about. The blobs of a push, and the manifests of an index, are part of setting its tag. */
export type RecentChange = {
  readonly seq: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The label of who did it, if that is known. */
  readonly actor: string | undefined;
} & (
  | { readonly kind: 'tag-set'; readonly tag: Tag; readonly digest: Digest; readonly previous: Digest | undefined }
  | { readonly kind: 'tag-deleted'; readonly tag: Tag; readonly digest: Digest }
  | { readonly kind: 'referrer-pushed'; readonly digest: Digest; readonly subject: Digest; readonly type: string }
  | { readonly kind: 'manifest-deleted'; readonly digest: Digest }
  | { readonly kind: 'repository-deleted' }
);
