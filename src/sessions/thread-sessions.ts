import type { Algorithm } from '../oci/digest.ts';
import type { UploadId } from '../oci/names.ts';
import type { SessionIds } from '../registry/session-ids.ts';
import type { RequestSessions, Session, SessionLease, SessionOwner } from '../registry/sessions.ts';

/** What the owner tells a thread about its lease. */
export type LeaseAnswer = Pick<SessionLease, 'session' | 'takenOver'> | 'unknown' | 'busy';

/** The sessions of the thread that owns the data folder, as it offers them to one other thread. All reject as the leases do. */
export interface SessionCalls {
  load(id: UploadId, owner: SessionOwner): Promise<Session | undefined>;
  lease(id: UploadId, owner: SessionOwner): Promise<LeaseAnswer>;
  /** Of a session that this thread has leased. */
  save(id: UploadId, next: Session): Promise<void>;
  /** Ends a session that this thread has leased, and the lease. */
  end(id: UploadId): Promise<void>;
  release(id: UploadId): Promise<void>;
}

/** For `remote` in threads/calls.ts. */
export const SESSION_CALLS = ['load', 'lease', 'save', 'end', 'release'] satisfies readonly (keyof SessionCalls)[];

/** Serves the sessions to one other thread, and holds its leases. They end with the process, because the thread does. */
export class SessionService implements SessionCalls {
  readonly #sessions: Pick<RequestSessions, 'load' | 'lease'>;
  readonly #leases = new Map<UploadId, SessionLease>();

  constructor(sessions: Pick<RequestSessions, 'load' | 'lease'>) {
    this.#sessions = sessions;
  }

  load(id: UploadId, owner: SessionOwner): Promise<Session | undefined> {
    return this.#sessions.load(id, owner);
  }

  async lease(id: UploadId, owner: SessionOwner): Promise<LeaseAnswer> {
    const lease = await this.#sessions.lease(id, owner);
    if (typeof lease === 'string') return lease;
    this.#leases.set(id, lease);
    return { session: lease.session, takenOver: lease.takenOver };
  }

  async save(id: UploadId, next: Session): Promise<void> {
    await this.#held(id).save(next);
  }

  async end(id: UploadId): Promise<void> {
    await this.#held(id).end();
    await this.release(id);
  }

  async release(id: UploadId): Promise<void> {
    const lease = this.#leases.get(id);
    this.#leases.delete(id);
    await lease?.release();
  }

  #held(id: UploadId): SessionLease {
    const lease = this.#leases.get(id);
    if (lease === undefined) throw new Error(`this thread has not leased the upload ${id}`);
    return lease;
  }
}

export interface ThreadSessionsPorts {
  /** To the thread that owns the data folder. */
  readonly owner: SessionCalls;
  readonly ids: SessionIds;
  /** Milliseconds. */
  readonly now: () => number;
}

/**
 * The sessions of a thread that does not own the data folder. An id carries all there is to know of a session without bytes, so it is
 * made here; everything else is the owner's.
 */
export class ThreadSessions implements RequestSessions {
  readonly #ports: ThreadSessionsPorts;

  constructor(ports: ThreadSessionsPorts) {
    this.#ports = ports;
  }

  async create(owner: SessionOwner, algorithm: Algorithm): Promise<Session> {
    return this.#ports.ids.begin(owner, { createdAt: this.#ports.now(), algorithm });
  }

  load(id: UploadId, owner: SessionOwner): Promise<Session | undefined> {
    return this.#ports.owner.load(id, owner);
  }

  async lease(id: UploadId, owner: SessionOwner): Promise<SessionLease | 'unknown' | 'busy'> {
    const answer = await this.#ports.owner.lease(id, owner);
    if (typeof answer === 'string') return answer;
    const { owner: calls } = this.#ports;
    let isReleased = false;
    return {
      ...answer,
      save: (next) => calls.save(id, next),
      end: async () => {
        await calls.end(id);
        isReleased = true;
      },
      release: async () => {
        if (!isReleased) await calls.release(id);
        isReleased = true;
      },
    };
  }

  /** Only the owner knows. */
  count(): undefined {
    return undefined;
  }
}
