import { LRUCache } from 'lru-cache';
import type { Algorithm } from '../oci/digest.ts';
import type { UploadId } from '../oci/names.ts';
import type { ObjectStore } from '../storage/driver.ts';
import { sessionKey, uploadPrefix } from '../storage/paths.ts';
import { BegunSessions } from './begun-sessions.ts';
import { uploadsBegunBefore } from './expired-uploads.ts';
import type { SessionIds } from './session-ids.ts';
import { OwnMarks, type SessionMarks } from './session-marks.ts';
import { decodeRecord, sessionRecord } from './session-record.ts';
import type { ExpiredUpload, Session, SessionLease, SessionOwner, SessionStore } from './sessions.ts';

/** Open sessions kept in memory. */
const MAX_CACHED_SESSIONS = 100_000;

export interface FileSessionsPorts {
  readonly driver: ObjectStore;
  readonly ids: SessionIds;
  /** Milliseconds. */
  readonly now: () => number;
  /** Age at which a session ends, in milliseconds. */
  readonly expiry: number;
  /** Default: those of a process in which only this thread uses the sessions. */
  readonly marks?: SessionMarks;
}

/**
 * Sessions of the one process that holds the data folder. A session with bytes is stored as a small object beside them. A session
 * without bytes is stored nowhere: its id carries all there is to know. If threads share them, each lookup reads the object.
 */
export class FileSessions implements SessionStore {
  readonly #ports: FileSessionsPorts;
  readonly #marks: SessionMarks;
  /** Used only if no other thread can change them. */
  readonly #open = new LRUCache<UploadId, Session>({ max: MAX_CACHED_SESSIONS });
  /** If threads share the sessions: those that this one has begun. */
  readonly #begun: BegunSessions | undefined;

  constructor(ports: FileSessionsPorts) {
    this.#ports = ports;
    const marks = ports.marks ?? new OwnMarks();
    this.#marks = marks;
    const isExpired = (createdAt: number): boolean => this.#isExpired({ createdAt });
    this.#begun = marks.areShared ? new BegunSessions({ marks, isExpired }) : undefined;
  }

  async create(owner: SessionOwner, algorithm: Algorithm): Promise<Session> {
    const session = this.#ports.ids.begin(owner, { createdAt: this.#ports.now(), algorithm });
    this.#begun?.add(session);
    this.#remember(session);
    return session;
  }

  async load(id: UploadId, owner: SessionOwner): Promise<Session | undefined> {
    const isCached = this.#cached(id) !== undefined;
    const stored = isCached || this.#marks.hasEnded(id) ? undefined : await this.#read(id);
    // Checked after the read, because the session may have advanced or ended in the meantime.
    if (this.#marks.hasEnded(id)) return undefined;
    const session = this.#cached(id) ?? stored ?? this.#unwritten(id, owner);
    if (session === undefined || session.repo !== owner.repo || session.actor !== owner.actor) return undefined;
    if (this.#isExpired(session)) return undefined;
    this.#remember(session);
    return session;
  }

  async lease(id: UploadId, owner: SessionOwner): Promise<SessionLease | 'unknown' | 'busy'> {
    // Taken before the first await, so that a second request cannot take it too.
    if (!this.#marks.take(id)) return (await this.load(id, owner)) === undefined ? 'unknown' : 'busy';
    let session: Session | undefined;
    try {
      session = await this.load(id, owner);
    } finally {
      if (session === undefined) this.#marks.release(id);
    }
    return session === undefined ? 'unknown' : this.#leaseOf(session);
  }

  #leaseOf(session: Session): SessionLease {
    const { id } = session;
    const { driver } = this.#ports;
    let isStored = session.inc !== undefined;
    return {
      session,
      // A lease ends with its process, and no second process has the data folder.
      takenOver: false,
      save: async (next) => {
        await driver.put(sessionKey(id), new TextEncoder().encode(JSON.stringify(next)));
        isStored = true;
        this.#remember(next);
      },
      end: async () => {
        // First, so that no request finds the session while its bytes are being deleted.
        this.#marks.end(id);
        this.#open.delete(id);
        this.#begun?.delete(id);
        // The record goes before its bytes: after a kill in between, no record may point to bytes that are gone.
        if (isStored) await driver.delete([sessionKey(id)], { durable: false });
        await driver.deleteAll(uploadPrefix(id));
      },
      release: async () => {
        this.#marks.release(id);
      },
    };
  }

  async expire(before: number, signal: AbortSignal, onEnded?: (upload: ExpiredUpload) => void): Promise<void> {
    for (const [id, { createdAt }] of this.#open.entries()) {
      if (createdAt < before && !this.#marks.isTaken(id)) this.#open.delete(id);
    }
    for await (const { id, size } of uploadsBegunBefore(before, this.#ports.driver)) {
      if (signal.aborted) return;
      if (this.#marks.isTaken(id)) continue;
      await this.#ports.driver.deleteAll(uploadPrefix(id));
      onEnded?.({ id, size });
    }
  }

  count(): number {
    return this.#begun?.count() ?? this.#open.size;
  }

  /** The session as this process last saved or read it, which is right only if no other thread can have saved it since. */
  #cached(id: UploadId): Session | undefined {
    return this.#marks.areShared ? undefined : this.#open.get(id);
  }

  #remember(session: Session): void {
    if (!this.#marks.areShared) this.#open.set(session.id, session);
  }

  #isExpired({ createdAt }: Pick<Session, 'createdAt'>): boolean {
    return this.#ports.now() - createdAt > this.#ports.expiry;
  }

  /** The session of an id that has no stored record: it has no bytes yet. */
  #unwritten(id: UploadId, { repo, actor }: SessionOwner): Session | undefined {
    const claims = this.#ports.ids.read(id, { repo, actor });
    return claims === undefined ? undefined : { id, repo, actor, ...claims, offset: 0 };
  }

  async #read(id: UploadId): Promise<Session | undefined> {
    const bytes = await this.#ports.driver.read(sessionKey(id));
    // A record that cannot be decoded counts as none: the session is then one without bytes.
    const session = bytes === undefined ? undefined : decodeRecord(sessionRecord, new TextDecoder().decode(bytes));
    return session?.id === id ? session : undefined;
  }
}
