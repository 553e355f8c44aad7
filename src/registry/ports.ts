import type { AccessPolicy } from '../access/access.ts';
import type { Digest, Incarnation } from '../oci/names.ts';
import type { Steps } from '../oci/strict-json.ts';
import type { Answer, Projection } from '../projection/projection.ts';
import type { Durability, ObjectStore, Presigner, StagedWrites, StoredObject } from '../storage/driver.ts';
import type { ContentCache } from './content-cache.ts';
import type { RepositoryPolicy } from './policy.ts';
import type { SealedPositions } from './sealed-position.ts';
import type { RequestSessions } from './sessions.ts';

/** A blob as a repository's log links it. */
export interface LinkedBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly inc: Incarnation;
}

/** Everything the domain depends on, including clock and randomness, so that tests control them. */
export interface RegistryPorts {
  readonly driver: ObjectStore & Durability & StagedWrites & Presigner;
  /** Opens a large blob for a client, from the driver or from this node's blob cache. */
  readonly openBlob: (blob: LinkedBlob, signal?: AbortSignal) => Promise<StoredObject | undefined>;
  readonly projection: Projection;
  readonly sessions: RequestSessions;
  /** Decides about repositories that the request does not name: the source of a mount without `from`, and the catalog. */
  readonly access: AccessPolicy;
  readonly positions: SealedPositions;
  readonly cache: ContentCache;
  /** Milliseconds. */
  readonly now: () => number;
  readonly newIncarnation: () => Incarnation;
  /** Parses a manifest of `size` bytes, at once or with pauses for other requests. */
  readonly parse: <T>(size: number, steps: Steps<T>) => Answer<T>;
  /** How long unreferenced bytes are kept, in milliseconds (GC_GRACE). */
  readonly grace: number;
  /**
   * For how many milliseconds the presigned URLs are valid to which clients are redirected to GET blobs (S3_REDIRECT); undefined: they
   * are not redirected.
   */
  readonly redirectFor: number | undefined;
  /** What retention will delete (RETENTION_FILE). */
  readonly policy: Pick<RepositoryPolicy, 'tracksPushTimes' | 'untaggedLifetime'>;
  /** Runs work that no request waits for. Its failure is logged; the process waits for it before it ends. */
  readonly runInBackground: (what: string, work: () => Promise<void>) => void;
}
