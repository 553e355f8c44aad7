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

/** How long the lease of a node that died blocks other nodes, in milliseconds. Each renewal is a write to the store. */
export const LOG_LEASE_MS = 30_000;
/** Number of slots in a session's log at which the old ones are deleted, so that listing them takes one page. */
const TRIM_AT = 64;
const MAX_ENDED_IDS = 100_000;

export interface LogSessionsPorts {
  readonly driver: ObjectStore & Pick<StagedWrites, 'discard'>;
  readonly ids: SessionIds;
  /** Milliseconds. */
  readonly now: () => number;
  /** Age at which a session ends, in milliseconds. */
  readonly expiry: number;
  /** A unique name for each lease. */
  readonly newToken: () => string;
  readonly repeat: Repeat;
  /** Called with failures that no request reports: a renewal, a release or a cleanup. */
  readonly failed: (error: unknown) => void;
  /** How many ids to keep of sessions that ended before their first save. They must be kept because the ids still validate. */
  readonly maxEndedIds?: number;
}

/**
 * Sessions of nodes that share only the store (embedded mode on S3, where two nodes run during a rolling deploy). A session with
 * bytes is stored as a small log beside them. A session without bytes is stored nowhere; the first save creates its log, and if two
 * nodes try, the second one fails.
 */
export class LogSessions implements SessionStore {
  readonly #ports: LogSessionsPorts;
  readonly #leased = new Set<UploadId>();
  readonly #ended: LRUCache<UploadId, true>;

  constructor(ports: LogSessionsPorts) {
    this.#ports = ports;
    this.#ended = new LRUCache({ max: ports.maxEndedIds ?? MAX_ENDED_IDS });
  }

  async create(owner: SessionOwner, algorithm: Algorithm): Promise<Session> {
    return this.#ports.ids.begin(owner, { createdAt: this.#ports.now(), algorithm });
  }

  async load(id: UploadId, owner: SessionOwner): Promise<Session | undefined> {
    const unwritten = this.#unwritten(id, owner);
    if (unwritten === undefined) return undefined;
    const head = await new SessionLog(this.#ports.driver, id).head();
    // Checked after the read, because the session may have ended in the meantime.
    if (head === undefined) return this.#ended.has(id) ? undefined : unwritten;
    return head.entry.session;
  }

  async lease(id: UploadId, owner: SessionOwner): Promise<SessionLease | 'unknown' | 'busy'> {
    if (this.#leased.has(id)) return (await this.load(id, owner)) === undefined ? 'unknown' : 'busy';
    // Taken before the first await, so that a second request cannot take it too.
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

  /** Unknown, because other nodes have open sessions too. */
  count(): undefined {
    return undefined;
  }

  /** The session that the id alone describes; undefined if the id belongs to another owner or has expired. */
  #unwritten(id: UploadId, { repo, actor }: SessionOwner): Session | undefined {
    const claims = this.#ports.ids.read(id, { repo, actor });
    if (claims === undefined || this.#ports.now() - claims.createdAt > this.#ports.expiry) return undefined;
    return { id, repo, actor, ...claims, offset: 0 };
  }
}

interface RemovableLog extends ExpiredUpload {
  /** undefined if nothing was ever saved or the session has ended. */
  readonly session: Session | undefined;
  /** false: the upload ended properly, and only the last slot of its log is left. */
  readonly isUnfinished: boolean;
}

/** The remains of sessions that began before the given time (milliseconds), except those that a request holds. */
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

/** The uploads that `LogSessions.expire` would end now. Changes nothing. */
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
  /** Records in memory that a session without a log has ended. */
  readonly endedUnwritten: () => void;
  readonly removeBytes: () => Promise<void>;
}

/** A claim stored in a session's log. A session without a log gets its claim with the first save. */
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
    // This holder's save names the place where it writes itself, which no earlier holder knows.
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
    // The session has ended. If the cleanup fails, expiry removes the rest, and the failure is logged.
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
