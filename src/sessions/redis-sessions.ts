import type { Algorithm } from '../oci/digest.ts';
import { parseUploadId, type UploadId } from '../oci/names.ts';
import type { RedisCommands } from '../projection/redis/commands.ts';
import { uploadsBegunBefore } from '../registry/expired-uploads.ts';
import { type Claim, type ClaimAnswer, RenewedLease, type Repeat } from '../registry/renewed-lease.ts';
import { createdAtOf, type RandomBytes, SessionIds } from '../registry/session-ids.ts';
import {
  type ExpiredUpload,
  placeOf,
  type Session,
  type SessionLease,
  type SessionOwner,
  type SessionStore,
} from '../registry/sessions.ts';
import type { ObjectStore, StagedWrites, StoreReader } from '../storage/driver.ts';
import { uploadPrefix } from '../storage/paths.ts';
import { SessionTable } from './session-table.ts';
import { hasOwnBytes, MalformedSession, requireOwnBytes } from './stored-session.ts';

/** How long the claim of a node that died blocks its session, in milliseconds. */
export const LEASE_MS = 10_000;
const RENEWAL_MS = 3_000;
const DAY_MS = 86_400_000;
/** How long the end of a session without a record is kept, in seconds. Short, because most pushes have such a session. */
const ENDED_UNWRITTEN_S = 3_600;
const PAGE = 100;

export interface RedisSessionsPorts {
  readonly redis: RedisCommands;
  /** The store's ULID. */
  readonly store: string;
  /** The store with the sessions' bytes. */
  readonly driver: ObjectStore & Pick<StagedWrites, 'discard' | 'isStagedState'>;
  /** Milliseconds. */
  readonly now: () => number;
  /** Age at which a session ends, in milliseconds. */
  readonly expiry: number;
  /** A unique name for a lease, or an epoch. */
  readonly newToken: () => string;
  /** For session ids; default: the system's. */
  readonly randomBytes?: RandomBytes;
  readonly repeat: Repeat;
  /** A claim could not be released, or bytes could not be removed. Both expire. */
  readonly failed: (error: unknown) => void;
  /** A value that no node stored was discarded; its upload is unknown from now on. */
  readonly malformed: (error: unknown) => void;
}

/**
 * The cluster's sessions. A session without bytes exists only as its id. With its first bytes it becomes a record in Redis. Ids are
 * bound to the epoch of this Redis, so after a loss of all data sessions that had bytes are unknown instead of empty.
 */
export class RedisSessions implements SessionStore {
  readonly #ports: RedisSessionsPorts;
  readonly #table: SessionTable;
  #ids: { readonly epoch: string; readonly ids: SessionIds } | undefined;

  constructor(ports: RedisSessionsPorts) {
    this.#ports = ports;
    this.#table = new SessionTable(ports.redis, ports.store, ports.malformed);
  }

  async create(owner: SessionOwner, algorithm: Algorithm): Promise<Session> {
    const createdAt = this.#ports.now();
    return (await this.#currentIds()).begin(owner, { createdAt, algorithm });
  }

  async load(id: UploadId, owner: SessionOwner): Promise<Session | undefined> {
    const stored = await this.#unlessMalformed(id, async () => {
      const found = await this.#table.load(id, nameOf(owner));
      if (found?.session !== undefined) requireOwnBytes(found.session, owner, this.#ports.driver);
      return found;
    });
    // Read after the load, so that a session whose record Redis has lost does not look like one without bytes.
    const unwritten = await this.#unwritten(id, owner);
    return unwritten && stored && (stored.session ?? unwritten);
  }

  async lease(id: UploadId, owner: SessionOwner): Promise<SessionLease | 'unknown' | 'busy'> {
    // Ids of other owners must leave no key in Redis.
    const isPlausible = this.#ids !== undefined && this.#read(this.#ids.ids, id, owner) !== undefined;
    if (!isPlausible && (await this.#unwritten(id, owner)) === undefined) return 'unknown';
    const { now, newToken, repeat, failed } = this.#ports;
    const claim = new RedisClaim(id, newToken(), this.#table, this.#ports);
    const answer = await this.#unlessMalformed(id, async () => {
      const claimed = await this.#table.lease(id, nameOf(owner), { ...claim.terms(), now: now() });
      if (claimed.kind === 'granted' && claimed.session !== undefined)
        requireOwnBytes(claimed.session, owner, this.#ports.driver);
      return claimed;
    });
    if (answer?.kind !== 'granted') return answer?.kind ?? 'unknown';
    // Read under the claim, so that a session whose record Redis has lost does not look like one without bytes.
    const unwritten = await this.#unwritten(id, owner);
    if (unwritten === undefined) {
      await claim.release();
      return 'unknown';
    }
    const session = answer.session ?? unwritten;
    claim.staged = session.inc !== undefined;
    return new RenewedLease(session, answer.takenOver, claim, { repeat, failed, renewal: RENEWAL_MS });
  }

  async expire(before: number, signal: AbortSignal, onEnded?: (upload: ExpiredUpload) => void): Promise<void> {
    const remove = async (id: UploadId, listed: number): Promise<boolean> => {
      const found = await this.#unlessMalformed(id, () => removable(id, this.#table, this.#ports.now), {
        session: undefined,
      });
      if (found === undefined) return false;
      await this.#remove(id, found.session);
      const size = found.session?.offset ?? listed;
      if (found.session !== undefined || listed > 0) onEnded?.({ id, size });
      return true;
    };
    let kept = 0;
    while (!signal.aborted) {
      const listed = await this.#table.oldest(before, PAGE, kept);
      for (const name of listed) {
        if (signal.aborted) return;
        const id = parseUploadId(name);
        // No node wrote this index entry. A live session is indexed again by the next request that saves it.
        if (id === undefined || createdAtOf(id) >= before) await this.#table.removeFromIndex(name);
        else if (await remove(id, 0)) await this.#table.removeFromIndex(id);
        else kept++;
      }
      if (listed.length < PAGE) break;
    }
    // These are bytes without a record: their process was killed, or Redis lost all data.
    for await (const { id, size } of uploadsBegunBefore(before, this.#ports.driver)) {
      if (signal.aborted) return;
      await remove(id, size);
    }
  }

  async #remove(id: UploadId, session: Session | undefined): Promise<void> {
    const { driver } = this.#ports;
    const place = session && hasOwnBytes(session, driver) ? placeOf(session) : undefined;
    if (place !== undefined) await driver.discard(place);
    await driver.deleteAll(uploadPrefix(id));
  }

  /** Ends a malformed session and reports it once. The end must be recorded, because the id alone would be valid. */
  async #unlessMalformed<T, F = undefined>(
    id: UploadId,
    work: () => Promise<T>,
    otherwise?: F,
  ): Promise<T | F | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof MalformedSession)) throw error;
      await this.#table.break(error, id, keptFor(id, this.#ports));
      return otherwise;
    }
  }

  /** No process knows the sessions of all nodes. */
  count(): undefined {
    return undefined;
  }

  /** The session as its id describes it; undefined for other owners, if it expired, and if Redis lost it. */
  async #unwritten(id: UploadId, owner: SessionOwner): Promise<Session | undefined> {
    return this.#read(await this.#currentIds(), id, owner);
  }

  #read(ids: SessionIds, id: UploadId, { repo, actor }: SessionOwner): Session | undefined {
    const claims = ids.read(id, { repo, actor });
    if (claims === undefined || this.#ports.now() - claims.createdAt > this.#ports.expiry) return undefined;
    return { id, repo, actor, ...claims, offset: 0 };
  }

  async #currentIds(): Promise<SessionIds> {
    const { store, newToken, randomBytes } = this.#ports;
    const epoch = await this.#table.epoch(newToken());
    if (this.#ids?.epoch !== epoch) this.#ids = { epoch, ids: new SessionIds(`${store}:${epoch}`, randomBytes) };
    return this.#ids.ids;
  }
}

/** A session's record, if there is one; undefined while a request claims the session. */
async function removable(
  id: UploadId,
  table: SessionTable,
  now: () => number,
): Promise<{ readonly session: Session | undefined } | undefined> {
  const stored = await table.load(id);
  if (stored?.until !== undefined && stored.until > now()) return undefined;
  return { session: stored?.session };
}

/** Uploads of the cluster that `expire` would end now; nothing is ended. */
export async function* expiredSharedUploads(
  before: number,
  { redis, store, driver, now }: Pick<RedisSessionsPorts, 'redis' | 'store' | 'now'> & { readonly driver: StoreReader },
): AsyncGenerator<ExpiredUpload> {
  const table = new SessionTable(redis, store, () => {});
  for (let skip = 0; ; skip += PAGE) {
    const listed = await table.oldest(before, PAGE, skip);
    for (const name of listed) {
      const id = parseUploadId(name);
      const session = id && (await removable(id, table, now).catch(ifMalformed))?.session;
      if (session !== undefined) yield { id: session.id, size: session.offset };
    }
    if (listed.length < PAGE) break;
  }
  for await (const { id, size } of uploadsBegunBefore(before, driver)) {
    const found = await removable(id, table, now).catch(ifMalformed);
    // Sessions with a record were yielded above.
    if (found !== undefined && found.session === undefined && size > 0) yield { id, size };
  }
}

function ifMalformed(error: unknown): { readonly session: undefined } {
  if (error instanceof MalformedSession) return { session: undefined };
  throw error;
}

/** Lifetime of a session's key in seconds: a day longer than the session can be used. */
function keptFor(id: UploadId, { expiry, now }: Pick<RedisSessionsPorts, 'expiry' | 'now'>): number {
  return Math.max(1, Math.ceil((createdAtOf(id) + expiry + DAY_MS - now()) / 1000));
}

function nameOf({ repo, actor }: SessionOwner): string {
  return `${repo}\n${actor}`;
}

/** A claim on a session, in its hash. */
class RedisClaim implements Claim {
  readonly #id: UploadId;
  readonly #token: string;
  readonly #table: SessionTable;
  readonly #ports: RedisSessionsPorts;
  /** Whether the session has staged bytes. */
  staged = false;

  constructor(id: UploadId, token: string, table: SessionTable, ports: RedisSessionsPorts) {
    this.#id = id;
    this.#token = token;
    this.#table = table;
    this.#ports = ports;
  }

  /** Token, end and key lifetime of a claim that is made or extended now. */
  terms(): { readonly token: string; readonly until: number; readonly ttl: number } {
    return { token: this.#token, until: this.#ports.now() + LEASE_MS, ttl: keptFor(this.#id, this.#ports) };
  }

  async save(next: Session): Promise<ClaimAnswer> {
    // Indexed first, because bytes that are not indexed would remain if their session is lost.
    if (!this.staged) await this.#table.addToIndex(this.#id, next.createdAt);
    this.staged = true;
    return await this.#unlessMalformed(() => this.#table.save(this.#id, this.terms(), next));
  }

  extend(): Promise<ClaimAnswer> {
    return this.#unlessMalformed(() => this.#table.save(this.#id, this.terms(), undefined));
  }

  async end(): Promise<ClaimAnswer> {
    const ttl = { written: this.terms().ttl, unwritten: ENDED_UNWRITTEN_S };
    const answer = await this.#unlessMalformed(() => this.#table.end(this.#id, this.#token, ttl));
    // The session has ended. Bytes that cannot be removed now are removed when it expires, and the failure is logged.
    if (answer === 'held' && this.staged) await this.#clean().catch(this.#ports.failed);
    return answer;
  }

  async release(): Promise<void> {
    await this.#table.release(this.#id, this.#token);
  }

  async #unlessMalformed(work: () => Promise<ClaimAnswer>): Promise<ClaimAnswer> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof MalformedSession)) throw error;
      await this.#table.break(error, this.#id, keptFor(this.#id, this.#ports));
      return 'unknown';
    }
  }

  async #clean(): Promise<void> {
    await this.#ports.driver.deleteAll(uploadPrefix(this.#id));
    await this.#table.removeFromIndex(this.#id);
  }
}
