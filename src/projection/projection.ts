import type { Command } from '../journal/command.ts';
import type { CopiedSlot } from '../journal/replay.ts';
import type { BlobLink, ManifestRecord } from '../journal/state.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';

/** The view in memory answers synchronously, the one in Redis after a round trip. */
export type Answer<T> = T | Promise<T>;

/** A manifest with its digest. */
export interface FoundManifest {
  readonly digest: Digest;
  readonly record: ManifestRecord;
}

/** A blob, and the number of manifests of its repository that refer to it. */
export interface BlobUse {
  readonly link: BlobLink;
  readonly references: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Whether more follow the last item. */
  readonly more: boolean;
}

/** Filters of a subject's referrers: of one artifact type, after a digest. */
export interface ReferrersQuery {
  readonly artifactType?: string | undefined;
  readonly after?: Digest | undefined;
}

/** What those need of the views who read slots from storage themselves. */
export interface SlotsShown {
  /**
   * To be called with the last slot of a log, once its end was read and before anything is answered from it: afterwards no thread and no
   * node gives an answer that is older. Otherwise a slot that is stored but not in the views yet could appear and disappear again.
   * @throws RegistryError `unavailable`
   */
  shown(repo: RepositoryName, seq: number): Promise<void>;
}

/** `unknown`: the repository does not exist. */
export type InRepository<T> = { readonly kind: 'unknown' } | { readonly kind: 'known'; readonly value: T };

/**
 * The views that serve requests, never older than the newest acknowledged write (I5), and the way to change a repository. Each
 * read of the cluster's view is one round trip, so each method returns all that one request needs.
 */
export interface Projection {
  manifestByTag(repo: RepositoryName, tag: Tag): Answer<InRepository<FoundManifest | undefined>>;
  manifestByDigest(repo: RepositoryName, digest: Digest): Answer<InRepository<FoundManifest | undefined>>;
  blob(repo: RepositoryName, digest: Digest): Answer<InRepository<BlobLink | undefined>>;
  blobUse(repo: RepositoryName, digest: Digest): Answer<InRepository<BlobUse | undefined>>;
  /** A page of the tags after `after`, in ASCII order. */
  tags(repo: RepositoryName, after: string | undefined, limit: number): Answer<InRepository<Page<Tag>>>;
  /** A page of the manifests that name `subject`, ordered by digest. It may have fewer items than `limit`, but at least one if there are more. */
  referrers(repo: RepositoryName, subject: Digest, query: ReferrersQuery, limit: number): Answer<Page<FoundManifest>>;
  /** A page of the existing repositories after `after`, in ASCII order. */
  repositories(after: string | undefined, limit: number): Answer<Page<RepositoryName>>;
  /** Decides the command on the newest state; resolves when its events are durable and visible to every later read. */
  submit<T>(repo: RepositoryName, command: Command<T>): Promise<T>;
}

/** The way by which a replica changes a repository. */
export interface Replayer {
  /**
   * Creates slots that were copied from another store's log; resolves when they are durable and visible to every later read. The log's
   * marker must exist.
   * @throws as `replaySlots` in journal/replay.ts
   */
  replay(repo: RepositoryName, slots: readonly CopiedSlot[]): Promise<void>;
}
