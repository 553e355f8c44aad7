import type { Digest, Incarnation, Tag } from '../oci/names.ts';

/** A blob's link, as the log left it. */
export interface BlobLink {
  readonly size: number;
  readonly inc: Incarnation;
  /** Milliseconds: when it was last linked, or last lost the last manifest that refers to it. */
  readonly since: number;
}

/** A manifest, as the log left it. */
export interface ManifestRecord {
  readonly size: number;
  readonly inc: Incarnation;
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly subject?: Digest;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly refs: readonly Digest[];
  /** Milliseconds: when it was last put. */
  readonly at: number;
}

/** What a decision may ask of a repository at one point of its log. */
export interface RepositoryFacts {
  /** From the first slot until repo.deleted. */
  readonly exists: boolean;
  /** Whether events that are not written yet are among these facts: those of commands that were decided on for the same slot. */
  readonly isAhead: boolean;
  blob(digest: Digest): BlobLink | undefined;
  manifest(digest: Digest): ManifestRecord | undefined;
  tag(tag: Tag): Digest | undefined;
  /** All tags of a manifest. */
  tagsOf(digest: Digest): readonly Tag[];
  /** How many manifests of the repository refer to it. */
  references(digest: Digest): number;
}
