import type { RepositoryName } from '../../oci/names.ts';

/** What the picture of the storage is drawn from, by the server and by the browser. */
export interface StorageMap {
  /** The largest first. */
  readonly repositories: readonly MappedRepository[];
  /** Repositories that are not listed. */
  readonly rest: Rest;
}

export interface MappedRepository {
  readonly name: RepositoryName;
  readonly bytes: number;
  /** Of what another repository has, too; undefined if that is not known. */
  readonly shared?: number | undefined;
  /** The largest first. */
  readonly parts: readonly MappedPart[];
  /** What is not in `parts`. */
  readonly rest: Rest;
}

/**
 * The beginning of the digest of a blob or manifest, its bytes, and how many other repositories have it; null if that is not
 * known. A tuple, because there are thousands.
 */
export type MappedPart = readonly [digest: string, bytes: number, sharedWith: number | null];

export interface Rest {
  readonly count: number;
  readonly bytes: number;
}
