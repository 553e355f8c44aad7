import { LRUCache } from 'lru-cache';
import type { Algorithm } from '../oci/digest.ts';
import type { UploadId } from '../oci/names.ts';
import type { ObjectStore, StagedWrites, StoreReader } from '../storage/driver.ts';
import { sessionLogPrefix, uploadPrefix } from '../storage/paths.ts';
import { uploadsBegunBefore } from './expired-uploads.ts';
import { type Claim, type ClaimAnswer, RenewedLease, type Repeat } from './renewed-lease.ts';
import type { SessionIds } from './session-ids.ts';
import { type LogEntry, type LogHead, readHead, SessionLog } from './session-log.ts';
import {
  type ExpiredUpload,
  placeOf,
  type Session,
  type SessionLease,
  type SessionOwner,
  type SessionStore,
} from './sessions.ts';

/** How long a node that died keeps others from its sessions, in milliseconds. Each renewal is a write to the store. */
export const LOG_LEASE_MS = 30_000;
/** Slots of a session's log at which the old ones are taken away, so that a listing of them stays one page. */
const TRIM_AT = 64;
const REMEMBERED = 100_000;

export interface LogSessionsPorts {
  readonly driver: ObjectStore & Pick<StagedWrites, 'discard'>;
  readonly ids: SessionIds;
  /** Milliseconds. */
  readonly now: () => number;
  /** Age at which a session ends, in milliseconds. */
  readonly expiry: number;
  /** Names a lease as nobody else does. */
  readonly newToken: () => string;
  readonly repeat: Repeat;
  readonly failed: (error: unknown) => void;
  /** How many sessions are remembered that ended without ever having been written: their ids still prove themselves. */
  readonly remembered?: number;
}

/**
 * Sessions of nodes that share a store and nothing else (embedded on S3, where two nodes run during a rolling deploy): each that
 * has bytes is a tiny log beside them. One that has none yet is nothing but its id; whoever saves its first bytes begins its
 * log, and of two who try the second one is refused.
 */
export class LogSessions implements SessionStore {
  readonly #ports: LogSessionsPorts;
  readonly #leased = new Set<UploadId>();
  readonly #ended: LRUCache<UploadId, true>;

  constructor(ports: LogSessionsPorts) {
    this.#ports = ports;
    this.#ended = new LRUCache({ max: ports.remembered ?? REMEMBERED });
  }

  async create(owner: SessionOwner, algorithm: Algorithm): Promise<Session> {
    const createdAt = this.#ports.now();
    const id = this.#ports.ids.mint(owner, { createdAt, algorithm });
    return { id, repo: owner.repo, actor: owner.actor, createdAt, algorithm, offset: 0 };
  }

  async load(id: UploadId, owner: SessionOwner): Promise<Session | undefined> {
    const unwritten = this.#unwritten(id, owner);
    if (unwritten === undefined) return undefined;
    const head = await new SessionLog(this.#ports.driver, id).head();
    // Asked after the read: meanwhile the session may have ended.
    if (head === undefined) return this.#ended.has(id) ? undefined : unwritten;
    return head.entry.session;
  }

  async lease(id: UploadId, owner: SessionOwner): Promise<SessionLease | 'unknown' | 'busy'> {
    if (this.#leased.has(id)) return (await this.load(id, owner)) === undefined ? 'unknown' : 'busy';
    // Taken before the first wait, so that no second request comes between.
    this.#leased.add(id);
    let lease: SessionLease | 'unknown' | 'busy' | undefined;
    try {
      lease = await this.#take(id, owner);
    } finally {
      if (lease === undefined || typeof lease === 'string') this.#leased.delete(id);
    }
    return lease;
  }

  async #take(id: UploadId, owner: SessionOwner): Promise<SessionLease | 'unknown' | 'busy'> {
    const unwritten = this.#unwritten(id, owner);
    if (unwritten === undefined) return 'unknown';
    const log = new SessionLog(this.#ports.driver, id);
    const head = await log.head();
    if (head === undefined) {
      if (this.#ended.has(id)) return 'unknown';
      return this.#leaseOf(new LogClaim(log, undefined, unwritten, this.#claimPorts(id)));
    }
    const { session, until } = head.entry;
    if (session === undefined) return 'unknown';
    if (until !== undefined && until > this.#ports.now()) return 'busy';
    const claim = new LogClaim(log, head, session, this.#claimPorts(id));
    return (await claim.extend()) === 'held' ? this.#leaseOf(claim) : 'busy';
  }

  #leaseOf(claim: LogClaim): SessionLease {
    const { session, contested } = claim;
    const { repeat, failed } = this.#ports;
    const released = () => {
      this.#leased.delete(session.id);
    };
    return new RenewedLease(session, contested, claim, { repeat, failed, released, renewal: LOG_LEASE_MS / 3 });
  }

  #claimPorts(id: UploadId): ClaimPorts {
    const { driver, now, newToken, failed } = this.#ports;
    return {
      ...{ now, failed },
      token: newToken(),
      endedUnwritten: () => {
        this.#ended.set(id, true);
      },
      removeBytes: async () => {
        for await (const { key } of driver.list(uploadPrefix(id))) {
          if (!key.startsWith(sessionLogPrefix(id))) await driver.delete([key]);
        }
      },
    };
  }

  async expire(before: number, signal: AbortSignal, onEnded?: (upload: ExpiredUpload) => void): Promise<void> {
    const { driver, now } = this.#ports;
    for await (const { id, size, session, isUnfinished } of removableLogs(before, now, driver)) {
      if (signal.aborted) return;
      if (this.#leased.has(id)) continue;
      const place = session && placeOf(session);
      if (place !== undefined) await driver.discard(place);
      await driver.deleteAll(uploadPrefix(id));
      if (isUnfinished) onEnded?.({ id, size });
    }
  }

  /** Other nodes have some too. */
  count(): undefined {
    return undefined;
  }

  /** What the id says by itself; undefined for strangers, and once the session is too old. */
  #unwritten(id: UploadId, { repo, actor }: SessionOwner): Session | undefined {
    const claims = this.#ports.ids.read(id, { repo, actor });
    if (claims === undefined || this.#ports.now() - claims.createdAt > this.#ports.expiry) return undefined;
    return { id, repo, actor, ...claims, offset: 0 };
  }
}

interface RemovableLog extends ExpiredUpload {
  /** undefined where nothing was ever saved, and of a session that ended. */
  readonly session: Session | undefined;
  /** false: the upload ended in order, and only its last slot is left. */
  readonly isUnfinished: boolean;
}

/** What is kept of sessions that began before that time (milliseconds), but of none that a request holds. */
async function* removableLogs(
  before: number,
  now: () => number,
  driver: Pick<StoreReader, 'list' | 'read'>,
): AsyncGenerator<RemovableLog> {
  for await (const { id, size, hasRecord } of uploadsBegunBefore(before, driver)) {
    const { session, until } = (await readHead(id, driver))?.entry ?? {};
    if (until !== undefined && until > now()) continue;
    yield { id, session, size: session?.offset ?? size, isUnfinished: session !== undefined || size > 0 || !hasRecord };
  }
}

/** Uploads of such sessions that `expire` would end now; for looking only. */
export async function* expiredLogUploads(
  before: number,
  now: () => number,
  driver: Pick<StoreReader, 'list' | 'read'>,
): AsyncGenerator<ExpiredUpload> {
  for await (const { id, size, isUnfinished } of removableLogs(before, now, driver))
    if (isUnfinished) yield { id, size };
}

interface ClaimPorts {
  readonly token: string;
  readonly now: () => number;
  readonly failed: (error: unknown) => void;
  /** Remembers the end of a session that has no log. */
  readonly endedUnwritten: () => void;
  readonly removeBytes: () => Promise<void>;
}

/** A claim in a session's log. Until its first save a session that has no log has no claim in it either. */
class LogClaim implements Claim {
  readonly #log: SessionLog;
  readonly #ports: ClaimPorts;
  #seq: number;
  #slots: number;
  #session: Session;
  #contested: boolean;

  constructor(log: SessionLog, head: LogHead | undefined, session: Session, ports: ClaimPorts) {
    this.#log = log;
    this.#seq = head?.seq ?? 0;
    this.#slots = head?.slots ?? 0;
    this.#session = session;
    this.#contested = head !== undefined && (head.entry.contested || head.entry.until !== undefined);
    this.#ports = ports;
  }

  get session(): Session {
    return this.#session;
  }

  get contested(): boolean {
    return this.#contested;
  }

  async save(next: Session): Promise<ClaimAnswer> {
    // Saved by the holder that took over, it is where that one writes.
    const answer = await this.#append({ session: next, until: this.#until(), contested: false });
    if (answer === 'held') {
      this.#session = next;
      this.#contested = false;
    }
    return answer;
  }

  async extend(): Promise<ClaimAnswer> {
    if (this.#seq === 0) return 'held';
    return await this.#append({ session: this.#session, until: this.#until(), contested: this.#contested });
  }

  async end(): Promise<ClaimAnswer> {
    if (this.#seq === 0) {
      if ((await this.#log.head()) !== undefined) return 'deposed';
      this.#ports.endedUnwritten();
      return 'held';
    }
    const answer = await this.#append({ contested: false });
    // Ended it is: what cannot be removed now is removed at its age.
    if (answer === 'held') await this.#clean().catch(this.#ports.failed);
    return answer;
  }

  async release(): Promise<void> {
    if (this.#seq === 0) return;
    const answer = await this.#append({ session: this.#session, contested: this.#contested });
    if (answer === 'held' && this.#slots > TRIM_AT) await this.#log.trim(this.#seq);
  }

  async #clean(): Promise<void> {
    await this.#log.trim(this.#seq);
    await this.#ports.removeBytes();
  }

  #until(): number {
    return this.#ports.now() + LOG_LEASE_MS;
  }

  async #append(entry: Omit<LogEntry, 'by'>): Promise<ClaimAnswer> {
    for (;;) {
      const answer = await this.#log.append(this.#seq, { ...entry, by: this.#ports.token });
      if (answer === 'overtaken') return 'deposed';
      this.#seq++;
      this.#slots++;
      if (answer === 'appended') return 'held';
    }
  }
}
