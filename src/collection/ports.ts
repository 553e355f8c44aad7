import type { RepositoryState } from '../journal/fold.ts';
import type { WriterPorts } from '../journal/writer.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { Projection } from '../projection/projection.ts';
import type { Durability, ObjectStore, StoreReader } from '../storage/driver.ts';
import type { Spill } from './live-set.ts';

/** What finding garbage needs; it writes nothing. */
export interface ScanPorts {
  readonly driver: StoreReader;
  /** A repository's state, if this process holds it in memory. It may be old: newer slots are read when the log is fenced. */
  readonly resident: (repo: RepositoryName) => RepositoryState | undefined;
  readonly openSpill: () => Promise<Spill>;
  /** Lets requests go first. To be awaited between small pieces of work; most often it costs next to nothing. */
  readonly yieldToRequests: () => Promise<void>;
  /** Milliseconds. */
  readonly now: () => number;
  /** GC_GRACE and UPLOAD_EXPIRY in milliseconds. */
  readonly grace: number;
  readonly uploadExpiry: number;
}

export interface CollectionPorts extends ScanPorts, Omit<WriterPorts, 'onAppend'> {
  readonly driver: ObjectStore & Pick<Durability, 'confirm'>;
  /** Unlinks unreferenced blobs, which clients can see. */
  readonly projection: Pick<Projection, 'submit'>;
  /** Maximum objects deleted in a second; 0: unlimited. */
  readonly rate: number;
  /** Objects deleted by one call of the driver. Between two calls the run yields, and may be stopped. */
  readonly deleteBatch: number;
  /**
   * Whether deletes must survive a power cut. They need not in a folder that one process holds: that process dies with its machine,
   * and an object that comes back is garbage again.
   */
  readonly deleteDurably: boolean;
  /** Maximum number of objects in an epoch. */
  readonly epochSize?: number;
}
