import type { Algorithm } from '../oci/digest.ts';
import type { Digest, Incarnation, RepositoryName, UploadId } from '../oci/names.ts';

/** An upload in progress, as its last acknowledged request left it. */
export interface Session {
  readonly id: UploadId;
  readonly repo: RepositoryName;
  /** Whose upload it is (Actor.id). */
  readonly actor: string;
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
  /** Ends the session: its id is unknown from now on. */
  end(): Promise<void>;
  /** To be called in any case. */
  release(): void;
}

/** Where the sessions live. */
export interface SessionStore {
  /** A session without bytes survives the end of the process; a power cut may take it. */
  create(session: Session): Promise<void>;
  load(id: UploadId): Promise<Session | undefined>;
  /** `busy`: another request is writing to it. */
  lease(id: UploadId): Promise<SessionLease | 'unknown' | 'busy'>;
  /** All sessions there are. */
  all(): AsyncIterable<Session>;
  /** How many are open. */
  count(): number;
}
