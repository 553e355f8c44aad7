import type { Digest } from '../oci/names.ts';
import type { Key, StoredObject } from '../storage/driver.ts';
import type { Given, Verification } from '../storage/foreign.ts';

/** A blob, manifest or tag of a repository in the source; names and digests are not validated yet. */
export type SourceEntry =
  | { readonly kind: 'layer'; readonly repo: string; readonly digest: string; readonly key: Key }
  | {
      readonly kind: 'manifest';
      readonly repo: string;
      readonly digest: string;
      readonly key: Key;
      /** If the source keeps it; otherwise it follows from the manifest. */
      readonly mediaType?: string;
    }
  | { readonly kind: 'tag'; readonly repo: string; readonly tag: string; readonly key: Key };

/** Images in another program's layout. It may fail for a single entry with `ForeignUnreadable`, for example for a lack of permission. */
export interface ImportSource {
  /** For people. */
  readonly place: string;
  /** Whether `give` works. If not, bytes must be read here and written there. */
  readonly gives: boolean;
  /** All that can be imported. Entries of one repository are consecutive: blobs, then manifests, then tags. */
  entries(): AsyncIterable<SourceEntry>;
  /**
   * The digest under which the source has the bytes of a blob or manifest, or that a tag points to. undefined if the source does not
   * say.
   */
  digestOf(entry: SourceEntry): Promise<Digest | undefined>;
  /** Bytes. undefined if the source does not have them. */
  sizeOf(digest: Digest): Promise<number | undefined>;
  /** The whole content, for what is small. Not verified. */
  read(digest: Digest): Promise<Uint8Array | undefined>;
  /** Not verified. */
  open(digest: Digest): Promise<StoredObject | undefined>;
  /** As `ForeignStore.give`. */
  give(digest: Digest, to: Key, size: number, verification: Verification | undefined): Promise<Given | undefined>;
  close(): Promise<void>;
}
