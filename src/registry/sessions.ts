import type { Algorithm } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, Incarnation, RepositoryName, UploadId } from '../oci/names.ts';
import type { StagedPlace } from '../storage/driver.ts';

/** Whose session it is; each request repeats it, and a session is unknown to everybody else. */
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
  /** What the running digest is computed with. */
  readonly algorithm: Algorithm;
  /** Bytes that are durably staged. */
  readonly offset: number;
  /** Digest of exactly those bytes; undefined before the first ones, and where only reading them again could tell. */
  readonly digest?: Digest;
  /** Where they are staged; undefined before the first ones. */
  readonly inc?: Incarnation;
  /** StagedPlace.state, as the driver last gave it. */
  readonly state?: string;
}

/** One request's exclusive hold on a session. */
export interface SessionLease {
  readonly session: Session;
  /**
   * An earlier holder did not let go: it may still be writing where the session's bytes are staged. The next lease says so too,
   * until a holder that took over has saved a place of its own.
   */
  readonly takenOver: boolean;
  /**
   * Replaces the session, durably.
   * @throws RegistryError `upload-busy` when another request holds it by now: nothing was replaced
   */
  save(next: Session): Promise<void>;
  /**
   * Ends the session: its id is unknown from now on, and its objects under uploads/ are gone.
   * @throws RegistryError `upload-busy` when another request holds it by now: nothing was ended
   */
  end(): Promise<void>;
  /** To be called in any case. It does not fail: what cannot be given back lapses. */
  release(): Promise<void>;
}

/** An unfinished upload that is past its age. */
export interface ExpiredUpload {
  readonly id: UploadId;
  /** Bytes staged for it. */
  readonly size: number;
}

/** Where the sessions live. */
export interface SessionStore {
  create(owner: SessionOwner, algorithm: Algorithm): Promise<Session>;
  load(id: UploadId, owner: SessionOwner): Promise<Session | undefined>;
  /** `busy`: another request is writing to it. */
  lease(id: UploadId, owner: SessionOwner): Promise<SessionLease | 'unknown' | 'busy'>;
  /**
   * Ends every session made before that time (milliseconds) and removes what was staged for it, but none in use. Stops early,
   * without an error, when `signal` aborts.
   * @param onEnded is called for each unfinished upload once its bytes are gone
   */
  expire(before: number, signal: AbortSignal, onEnded?: (upload: ExpiredUpload) => void): Promise<void>;
  /** How many are open; undefined where no process knows. */
  count(): number | undefined;
}

/** What the second of two writers is told. */
export function uploadBusy(): RegistryError {
  return new RegistryError(
    'upload-busy',
    'another request is writing to this upload: wait for it, then ask for its progress',
  );
}

/** Where a session's bytes are staged; undefined before the first ones. */
export function placeOf({ id, inc, state }: Session): StagedPlace | undefined {
  return inc === undefined ? undefined : placeAt(id, inc, state);
}

export function placeAt(upload: UploadId, inc: Incarnation, state: string | undefined): StagedPlace {
  return { upload, inc, ...(state === undefined ? {} : { state }) };
}
