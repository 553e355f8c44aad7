import type { Algorithm } from '../oci/digest.ts';
import type { Digest, Incarnation, RepositoryName, UploadId } from '../oci/names.ts';

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
  /** Digest of exactly those bytes; undefined before the first ones. */
  readonly digest?: Digest;
  /** Where they are staged; undefined before the first ones. */
  readonly inc?: Incarnation;
}

/** One request's exclusive hold on a session. */
export interface SessionLease {
  readonly session: Session;
  /** Replaces the session, durably. */
  save(next: Session): Promise<void>;
  /** Ends the session: its id is unknown from now on, and what was staged for it is gone. */
  end(): Promise<void>;
  /** To be called in any case. */
  release(): void;
}

/** Where the sessions live. */
export interface SessionStore {
  create(owner: SessionOwner, algorithm: Algorithm): Promise<Session>;
  load(id: UploadId, owner: SessionOwner): Promise<Session | undefined>;
  /** `busy`: another request is writing to it. */
  lease(id: UploadId, owner: SessionOwner): Promise<SessionLease | 'unknown' | 'busy'>;
  /** Ends every session made before that time (milliseconds) and removes what was staged for it, but none in use. */
  expire(before: number, signal: AbortSignal): Promise<void>;
  /** How many are open. */
  count(): number;
}
