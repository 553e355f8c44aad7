import type { AccessPolicy } from '../access/access.ts';
import type { Digest, Incarnation } from '../oci/names.ts';
import type { Steps } from '../oci/strict-json.ts';
import type { Answer, Projection } from '../projection/projection.ts';
import type { Durability, ObjectStore, Presigner, StagedWrites, StoredObject } from '../storage/driver.ts';
import type { ContentCache } from './content-cache.ts';
import type { RepositoryPolicy } from './policy.ts';
import type { SessionStore } from './sessions.ts';

/** A blob as a repository's log links it. */
export interface LinkedBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly inc: Incarnation;
}

/** Everything the domain stands on. Clock and randomness come in here, so that a test decides them. */
export interface RegistryPorts {
  readonly driver: ObjectStore & Durability & StagedWrites & Presigner;
  /** The bytes of a large blob for a client: the driver's, or a copy that this node has at hand. */
  readonly openBlob: (blob: LinkedBlob, signal?: AbortSignal) => Promise<StoredObject | undefined>;
  readonly projection: Projection;
  readonly sessions: SessionStore;
  /** Asked about repositories that no request names: the source of a mount without one, the catalog. */
  readonly access: AccessPolicy;
  readonly cache: ContentCache;
  /** Milliseconds. */
  readonly now: () => number;
  readonly newIncarnation: () => Incarnation;
  /** Parses a manifest of so many bytes: in one go, or with pauses in which others get the thread. */
  readonly parse: <T>(size: number, steps: Steps<T>) => Answer<T>;
  /** How long deleted bytes stay, in milliseconds (GC_GRACE). */
  readonly grace: number;
  /** Whether clients GET blobs from the store itself, at an address that they are given (S3_REDIRECT). */
  readonly redirect: boolean;
  /** What retention will delete (RETENTION_FILE). */
  readonly policy: Pick<RepositoryPolicy, 'tracksPushTimes' | 'untaggedLifetime'>;
  /** Runs work that no request waits for. Its failure is logged; the process waits for it before it ends. */
  readonly runInBackground: (what: string, work: () => Promise<void>) => void;
}
