import { LRUCache } from 'lru-cache';
import type { Algorithm } from '../oci/digest.ts';
import type { UploadId } from '../oci/names.ts';
import type { ObjectStore } from '../storage/driver.ts';
import { sessionKey, uploadPrefix } from '../storage/paths.ts';
import { uploadsBegunBefore } from './expired-uploads.ts';
import type { SessionIds } from './session-ids.ts';
import { decodeRecord, sessionRecord } from './session-record.ts';
import type { ExpiredUpload, Session, SessionLease, SessionOwner, SessionStore } from './sessions.ts';

/** Sessions remembered: open ones, and those that ended, whose ids would otherwise still prove themselves. */
const REMEMBERED = 100_000;

export interface FileSessionsPorts {
  readonly driver: ObjectStore;
  readonly ids: SessionIds;
  /** Milliseconds. */
  readonly now: () => number;
  /** Age at which a session ends, in milliseconds. */
  readonly expiry: number;
}

/**
 * Sessions of the one process that holds the data folder. One that has bytes is a small object beside them; one that has none
 * yet is nothing but its id.
 */
export class FileSessions implements SessionStore {
  readonly #ports: FileSessionsPorts;
  readonly #open = new LRUCache<UploadId, Session>({ max: REMEMBERED });
  readonly #ended = new LRUCache<UploadId, true>({ max: REMEMBERED });
  readonly #leased = new Set<UploadId>();

  constructor(ports: FileSessionsPorts) {
    this.#ports = ports;
  }

  async create(owner: SessionOwner, algorithm: Algorithm): Promise<Session> {
    const createdAt = this.#ports.now();
    const id = this.#ports.ids.mint(owner, { createdAt, algorithm });
    const session: Session = { id, repo: owner.repo, actor: owner.actor, createdAt, algorithm, offset: 0 };
    this.#open.set(id, session);
    return session;
  }

  async load(id: UploadId, owner: SessionOwner): Promise<Session | undefined> {
    const stored = this.#open.has(id) || this.#ended.has(id) ? undefined : await this.#read(id);
    // Asked after the read: meanwhile the session may have gone on, or ended.
    if (this.#ended.has(id)) return undefined;
    const session = this.#open.get(id) ?? stored ?? this.#unwritten(id, owner);
    if (session === undefined || session.repo !== owner.repo || session.actor !== owner.actor) return undefined;
    if (this.#isExpired(session)) return undefined;
    this.#open.set(id, session);
    return session;
  }

  async lease(id: UploadId, owner: SessionOwner): Promise<SessionLease | 'unknown' | 'busy'> {
    if (this.#leased.has(id)) return (await this.load(id, owner)) === undefined ? 'unknown' : 'busy';
    // Taken before the first wait, so that no second request comes between.
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
        // First, so that nobody finds the session while its bytes go.
        this.#ended.set(id, true);
        this.#open.delete(id);
        // The record before its bytes: what a kill leaves between the two must not tell of bytes that are gone.
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

  /** A session that has no bytes: all there is to know stands in its id. */
  #unwritten(id: UploadId, { repo, actor }: SessionOwner): Session | undefined {
    const claims = this.#ports.ids.read(id, { repo, actor });
    return claims === undefined ? undefined : { id, repo, actor, ...claims, offset: 0 };
  }

  async #read(id: UploadId): Promise<Session | undefined> {
    const bytes = await this.#ports.driver.read(sessionKey(id));
    // Bytes that are no record: then the session is one without bytes.
    const session = bytes === undefined ? undefined : decodeRecord(sessionRecord, new TextDecoder().decode(bytes));
    return session?.id === id ? session : undefined;
  }
}
