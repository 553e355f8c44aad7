import type { RepositoryState } from '../journal/fold.ts';
import type { WriterPorts } from '../journal/writer.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { Projection } from '../projection/projection.ts';
import type { Durability, ObjectStore, StoreReader } from '../storage/driver.ts';
import type { Spill } from './live-set.ts';

/** The ports for finding garbage, which writes nothing. */
export interface ScanPorts {
  readonly driver: StoreReader;
  /** A repository's state, if this process holds it in memory. It may be stale, because the fence reads newer slots. */
  readonly resident: (repo: RepositoryName) => RepositoryState | undefined;
  readonly openSpill: () => Promise<Spill>;
  /** Lets requests run first. Awaited between small pieces of work; it usually costs almost nothing. */
  readonly yieldToRequests: () => Promise<void>;
  /** Milliseconds. */
  readonly now: () => number;
  /** GC_GRACE and UPLOAD_EXPIRY in milliseconds. */
  readonly grace: number;
  readonly uploadExpiry: number;
}

export interface CollectionPorts extends ScanPorts, Omit<WriterPorts, 'onAppend'> {
  readonly driver: ObjectStore & Pick<Durability, 'confirm'>;
  /** Used to unlink unreferenced blobs, which clients can see. */
  readonly projection: Pick<Projection, 'submit'>;
  /** The most objects deleted in a second; 0: unlimited. */
  readonly rate: number;
  /** Objects deleted by one call of the driver. Between two calls the run yields and can be stopped. */
  readonly deleteBatch: number;
  /**
   * Whether deletes must survive a power cut. In a folder that only one process uses they need not, because that process dies with
   * the machine, and an object that reappears is garbage again.
   */
  readonly deleteDurably: boolean;
  /** Maximum number of objects in an epoch. */
  readonly epochSize?: number;
}
