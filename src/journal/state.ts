import type { Digest, Incarnation, Tag } from '../oci/names.ts';

/** A blob's link at one point of the log. */
export interface BlobLink {
  readonly size: number;
  readonly inc: Incarnation;
  /** When the blob was last linked, or last lost its last referring manifest, in milliseconds. */
  readonly since: number;
}

/** A manifest at one point of the log. */
export interface ManifestRecord {
  readonly size: number;
  readonly inc: Incarnation;
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly subject?: Digest;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly refs: readonly Digest[];
  /** When the manifest was last put, in milliseconds. */
  readonly at: number;
}

/** The facts about a repository, at one point of its log, that a decision may read. */
export interface RepositoryFacts {
  /** From the first slot until repo.deleted. */
  readonly exists: boolean;
  /** Whether the facts include unwritten events: those of earlier commands for the same slot. */
  readonly isAhead: boolean;
  blob(digest: Digest): BlobLink | undefined;
  manifest(digest: Digest): ManifestRecord | undefined;
  tag(tag: Tag): Digest | undefined;
  /** All tags of a manifest. */
  tagsOf(digest: Digest): readonly Tag[];
  /** The number of manifests in the repository that refer to the digest. */
  references(digest: Digest): number;
}

/** What a repository uses at one point of its log. */
export interface RepositoryUsage {
  /** The newest slot. It stays when the repository is deleted. */
  readonly seq: number;
  /** If it does not exist, it uses nothing. */
  readonly exists: boolean;
  /** Of all blobs that it links and of all its manifests, each of them once. */
  readonly bytes: number;
  readonly tags: number;
}
