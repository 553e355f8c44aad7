import { LRUCache } from 'lru-cache';
import type { Algorithm } from '../oci/digest.ts';
import type { UploadId } from '../oci/names.ts';
import type { ObjectStore } from '../storage/driver.ts';
import { sessionKey, uploadPrefix } from '../storage/paths.ts';
import { uploadsBegunBefore } from './expired-uploads.ts';
import type { SessionIds } from './session-ids.ts';
import { decodeRecord, sessionRecord } from './session-record.ts';
import type { ExpiredUpload, Session, SessionLease, SessionOwner, SessionStore } from './sessions.ts';

/**
 * Sessions kept in memory, open ones and ended ones each. Ended ones are kept because their ids still validate (session-ids.ts).
 */
const MAX_CACHED_SESSIONS = 100_000;

export interface FileSessionsPorts {
  readonly driver: ObjectStore;
  readonly ids: SessionIds;
  /** Milliseconds. */
  readonly now: () => number;
  /** Age at which a session ends, in milliseconds. */
  readonly expiry: number;
}

/**
 * Sessions of the one process that holds the data folder. A session with bytes is stored as a small object beside them. A session
 * without bytes is stored nowhere: its id carries all there is to know.
 */
export class FileSessions implements SessionStore {
  readonly #ports: FileSessionsPorts;
  readonly #open = new LRUCache<UploadId, Session>({ max: MAX_CACHED_SESSIONS });
  readonly #ended = new LRUCache<UploadId, true>({ max: MAX_CACHED_SESSIONS });
  readonly #leased = new Set<UploadId>();

  constructor(ports: FileSessionsPorts) {
    this.#ports = ports;
  }

  async create(owner: SessionOwner, algorithm: Algorithm): Promise<Session> {
    const session = this.#ports.ids.begin(owner, { createdAt: this.#ports.now(), algorithm });
    this.#open.set(session.id, session);
    return session;
  }

  async load(id: UploadId, owner: SessionOwner): Promise<Session | undefined> {
    const stored = this.#open.has(id) || this.#ended.has(id) ? undefined : await this.#read(id);
    // Checked after the read, because the session may have advanced or ended in the meantime.
    if (this.#ended.has(id)) return undefined;
    const session = this.#open.get(id) ?? stored ?? this.#unwritten(id, owner);
    if (session === undefined || session.repo !== owner.repo || session.actor !== owner.actor) return undefined;
    if (this.#isExpired(session)) return undefined;
    this.#open.set(id, session);
    return session;
  }

  async lease(id: UploadId, owner: SessionOwner): Promise<SessionLease | 'unknown' | 'busy'> {
    if (this.#leased.has(id)) return (await this.load(id, owner)) === undefined ? 'unknown' : 'busy';
    // Taken before the first await, so that a second request cannot take it too.
    this.#leased.add(id);
    let session: Session | undefined;
    try {
      session = await this.load(id, owner);
    } finally {
      if (session === undefined) this.#leased.delete(id);
    }
    return session === undefined ? 'unknown' : this.#leaseOf(session);
  }

  #leaseOf(session: Session): SessionLease {
    const { id } = session;
    return {
      session,
      // A lease ends with its process, and no second process has the data folder.
      takenOver: false,
      save: async (next) => {
        await this.#ports.driver.put(sessionKey(id), new TextEncoder().encode(JSON.stringify(next)));
        this.#open.set(id, next);
      },
      end: async () => {
        const isStored = this.#open.get(id)?.inc !== undefined;
        // First, so that no request finds the session while its bytes are being deleted.
        this.#ended.set(id, true);
        this.#open.delete(id);
        // The record goes before its bytes: after a kill in between, no record may point to bytes that are gone.
        if (isStored) await this.#ports.driver.delete([sessionKey(id)], { durable: false });
        await this.#ports.driver.deleteAll(uploadPrefix(id));
      },
      release: async () => {
        this.#leased.delete(id);
      },
    };
  }

  async expire(before: number, signal: AbortSignal, onEnded?: (upload: ExpiredUpload) => void): Promise<void> {
    for (const [id, { createdAt }] of this.#open.entries()) {
      if (createdAt < before && !this.#leased.has(id)) this.#open.delete(id);
    }
    for await (const { id, size } of uploadsBegunBefore(before, this.#ports.driver)) {
      if (signal.aborted) return;
      if (this.#leased.has(id)) continue;
      await this.#ports.driver.deleteAll(uploadPrefix(id));
      onEnded?.({ id, size });
    }
  }

  count(): number {
    return this.#open.size;
  }

  #isExpired({ createdAt }: Session): boolean {
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
