import type { RepositoryState } from '../journal/fold.ts';
import type { WriterPorts } from '../journal/writer.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { Projection } from '../projection/projection.ts';
import type { Durability, ObjectStore, StoreReader } from '../storage/driver.ts';
import type { Spill } from './live-set.ts';

/** What it takes to find garbage: nothing is written. */
export interface ScanPorts {
  readonly driver: StoreReader;
  /** The state of a repository that this process has in memory anyway, however old: what came after it is looked at too. */
  readonly resident: (repo: RepositoryName) => RepositoryState | undefined;
  readonly openSpill: () => Promise<Spill>;
  /** Lets requests go first. To be awaited between small pieces of work; most often it costs next to nothing. */
  readonly breathe: () => Promise<void>;
  /** Milliseconds. */
  readonly now: () => number;
  /** GC_GRACE and UPLOAD_EXPIRY in milliseconds. */
  readonly grace: number;
  readonly uploadExpiry: number;
}

export interface CollectionPorts extends ScanPorts, Omit<WriterPorts, 'onAppend'> {
  readonly driver: ObjectStore & Pick<Durability, 'confirm'>;
  /** For what clients can see: blobs that are unlinked because nothing refers to them. */
  readonly projection: Pick<Projection, 'submit'>;
  /** Most objects that are deleted in a second; 0: as many as the store takes. */
  readonly rate: number;
  /** How many objects are deleted with one call of the driver: between two calls it rests, and looks whether it is to stop. */
  readonly deleteTogether: number;
  /**
   * Whether deletes must survive a power cut. In a folder that one process holds they need not: it dies with its machine, and
   * what is there again is garbage again, which nobody is about to delete.
   */
  readonly deleteDurably: boolean;
  /** How many names an epoch condemns at most. */
  readonly epochSize?: number;
}
