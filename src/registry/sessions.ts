import type { Algorithm } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, Incarnation, RepositoryName, UploadId } from '../oci/names.ts';
import type { StagedPlace } from '../storage/driver.ts';

/** The owner of a session. Each request states it, and to any other owner the session is unknown. */
export interface SessionOwner {
  readonly repo: RepositoryName;
  /** Actor.id */
  readonly actor: string;
}

/** An upload in progress, as its last acknowledged request left it. */
export interface Session extends SessionOwner {
  readonly id: UploadId;
  /** Milliseconds. */
  readonly createdAt: number;
  /** The algorithm of the running digest. */
  readonly algorithm: Algorithm;
  /** Bytes that are durably staged. */
  readonly offset: number;
  /** Digest of exactly those bytes; undefined before the first byte, or if only reading them again could tell. */
  readonly digest?: Digest;
  /** Where they are staged; undefined before the first byte. */
  readonly inc?: Incarnation;
  /** `StagedPlace.state`, as the driver last returned it. */
  readonly state?: string;
}

/** One request's exclusive hold on a session. */
export interface SessionLease {
  readonly session: Session;
  /**
   * An earlier holder never released the session and may still be writing where its bytes are staged. Later leases have this set
   * too, until a holder has saved a new place for the bytes.
   */
  readonly takenOver: boolean;
  /**
   * Replaces the session, durably.
   * @throws RegistryError `upload-busy` if another request holds it by now: nothing was replaced
   */
  save(next: Session): Promise<void>;
  /**
   * Ends the session: its id becomes unknown, and its objects under uploads/ are deleted.
   * @throws RegistryError `upload-busy` if another request holds it by now: nothing was ended
   */
  end(): Promise<void>;
  /** Must be called on every path. It never fails: a lease that cannot be released expires. */
  release(): Promise<void>;
}

/** An unfinished upload that has expired. */
export interface ExpiredUpload {
  readonly id: UploadId;
  /** Bytes staged for it. */
  readonly size: number;
}

/** Stores upload sessions. */
export interface SessionStore {
  create(owner: SessionOwner, algorithm: Algorithm): Promise<Session>;
  load(id: UploadId, owner: SessionOwner): Promise<Session | undefined>;
  /** `busy`: another request is writing to it. */
  lease(id: UploadId, owner: SessionOwner): Promise<SessionLease | 'unknown' | 'busy'>;
  /**
   * Ends every session created before the given time (milliseconds) that is not in use, and deletes its staged bytes. Stops early,
   * without an error, when `signal` is aborted.
   * @param onEnded called for each unfinished upload after its bytes are deleted
   */
  expire(before: number, signal: AbortSignal, onEnded?: (upload: ExpiredUpload) => void): Promise<void>;
  /** How many are open; undefined if no process knows. */
  count(): number | undefined;
}

/** The part of a store of sessions that requests need. */
export type RequestSessions = Omit<SessionStore, 'expire'>;

/** The error for the second of two concurrent writers. */
export function uploadBusy(): RegistryError {
  return new RegistryError(
    'upload-busy',
    'another request is writing to this upload: wait for it to end, then query its progress',
  );
}

/** Where a session's bytes are staged; undefined before the first byte. */
export function placeOf({ id, inc, state }: Session): StagedPlace | undefined {
  return inc === undefined ? undefined : placeAt(id, inc, state);
}

export function placeAt(upload: UploadId, inc: Incarnation, state: string | undefined): StagedPlace {
  return { upload, inc, ...(state === undefined ? {} : { state }) };
}
