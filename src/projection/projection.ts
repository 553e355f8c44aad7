import type { Command } from '../journal/command.ts';
import type { BlobLink, ManifestRecord } from '../journal/state.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';

/** A value that is at hand, or will be: the view in memory answers at once, the one in Redis after a round trip. */
export type Answer<T> = T | Promise<T>;

/** A manifest as a read finds it. */
export interface FoundManifest {
  readonly digest: Digest;
  readonly record: ManifestRecord;
}

/** A blob, and how many manifests of its repository refer to it. */
export interface BlobUse {
  readonly link: BlobLink;
  readonly references: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Whether more follow the last item. */
  readonly more: boolean;
}

/** Which referrers of a subject: those of one artifact type only, those after a digest only. */
export interface ReferrersQuery {
  readonly artifactType?: string | undefined;
  readonly after?: Digest | undefined;
}

/** `unknown`: the repository does not exist. */
export type InRepository<T> = { readonly kind: 'unknown' } | { readonly kind: 'known'; readonly value: T };

/**
 * The views that requests are answered from, always as new as the newest acknowledged write (I5), and the way to change a
 * repository. Each read of the cluster's view is one round trip, so each method is what one request needs.
 */
export interface Projection {
  manifestByTag(repo: RepositoryName, tag: Tag): Answer<InRepository<FoundManifest | undefined>>;
  manifestByDigest(repo: RepositoryName, digest: Digest): Answer<InRepository<FoundManifest | undefined>>;
  blob(repo: RepositoryName, digest: Digest): Answer<InRepository<BlobLink | undefined>>;
  blobUse(repo: RepositoryName, digest: Digest): Answer<InRepository<BlobUse | undefined>>;
  /** Tags in ASCII order, those after `after` only. */
  tags(repo: RepositoryName, after: string | undefined, limit: number): Answer<InRepository<Page<Tag>>>;
  /** Manifests that name `subject`, in the order of their digests. A page may end before `limit`, but not before its first. */
  referrers(repo: RepositoryName, subject: Digest, query: ReferrersQuery, limit: number): Answer<Page<FoundManifest>>;
  /** Existing repositories in ASCII order, those after `after` only. */
  repositories(after: string | undefined, limit: number): Answer<Page<RepositoryName>>;
  /** Decides the command on the newest state; resolves when its events are durable and every read here sees them. */
  submit<T>(repo: RepositoryName, command: Command<T>): Promise<T>;
}
