import { RegistryError } from '../oci/errors.ts';
import { parseUploadId, type UploadId } from '../oci/names.ts';
import { type RedisCommands, RedisGone, type Reply, type Script } from '../projection/redis/commands.ts';
import type { ClaimAnswer } from '../registry/renewed-lease.ts';
import { decodeRecord, sessionRecord } from '../registry/session-record.ts';
import type { Session } from '../registry/sessions.ts';
import { SCRIPTS } from './scripts.ts';

/** What is stored of a session: undefined before its first bytes. */
export interface StoredSession {
  readonly session: Session | undefined;
  /** Until when a request holds it, in milliseconds. */
  readonly until: number | undefined;
}

export type LeaseAnswer =
  | { readonly kind: 'unknown' | 'busy' }
  | { readonly kind: 'granted'; readonly takenOver: boolean; readonly session: Session | undefined };

/**
 * The sessions' keys in Redis, and the scripts that touch them; each key begins with the store's ULID.
 *
 *   {<store>:u:<id>}     hash: owner, record, token and until of the claim, contested; or ended
 *   {<store>:u}:index    zset: the sessions that have bytes, by the time they were made
 *   {<store>:u}:epoch    a word: sessions whose ids were made under another one are gone
 */
export class SessionTable {
  readonly #redis: RedisCommands;
  readonly #store: string;

  constructor(redis: RedisCommands, store: string) {
    this.#redis = redis;
    this.#store = store;
  }

  /** @param fresh becomes the epoch of a Redis that has none */
  async epoch(fresh: string): Promise<string> {
    return text(await this.#run(SCRIPTS.epoch, `{${this.#store}:u}:epoch`, fresh));
  }

  /** undefined when it ended, or is another owner's. @param owner left out: whoever's it is */
  async load(id: UploadId, owner = ''): Promise<StoredSession | undefined> {
    const [kind, record = '', until = ''] = list(await this.#run(SCRIPTS.load, this.#key(id), owner));
    if (kind !== 'known') return undefined;
    return { session: decode(id, text(record)), until: until === '' ? undefined : Number(until) };
  }

  async lease(
    id: UploadId,
    owner: string,
    claim: { readonly token: string; readonly now: number; readonly until: number; readonly ttl: number },
  ): Promise<LeaseAnswer> {
    const { token, now, until, ttl } = claim;
    const reply = await this.#run(SCRIPTS.lease, this.#key(id), owner, token, now, until, ttl);
    const [kind, takenOver, record = ''] = list(reply);
    if (kind !== 'granted') return { kind: kind === 'busy' ? 'busy' : 'unknown' };
    return { kind, takenOver: takenOver === 1, session: decode(id, text(record)) };
  }

  /** @param next undefined: the claim is lengthened only */
  async save(
    id: UploadId,
    claim: { readonly token: string; readonly until: number; readonly ttl: number },
    next: Session | undefined,
  ): Promise<ClaimAnswer> {
    const record = next === undefined ? '' : JSON.stringify(next);
    return answer(await this.#run(SCRIPTS.save, this.#key(id), claim.token, claim.until, claim.ttl, record));
  }

  async release(id: UploadId, token: string): Promise<void> {
    await this.#run(SCRIPTS.release, this.#key(id), token);
  }

  async end(id: UploadId, token: string, ttl: { written: number; unwritten: number }): Promise<ClaimAnswer> {
    return answer(await this.#run(SCRIPTS.end, this.#key(id), token, ttl.written, ttl.unwritten));
  }

  async enter(id: UploadId, createdAt: number): Promise<void> {
    await this.#run(SCRIPTS.index, this.#index, id, createdAt);
  }

  async strikeOut(id: UploadId): Promise<void> {
    await this.#run(SCRIPTS.index, this.#index, id, '');
  }

  /** Sessions with bytes that were made before that time (milliseconds), oldest first. */
  async oldest(before: number, count: number, skip: number): Promise<UploadId[]> {
    const found = list(await this.#run(SCRIPTS.oldest, this.#index, before, count, skip));
    return found.map((id) => parseUploadId(text(id))).filter((id) => id !== undefined);
  }

  get #index(): string {
    return `{${this.#store}:u}:index`;
  }

  #key(id: UploadId): string {
    return `{${this.#store}:u:${id}}`;
  }

  async #run(script: Script, key: string, ...args: readonly (string | number)[]): Promise<Reply> {
    try {
      return await this.#redis.evaluate(script, [key], args);
    } catch (error) {
      if (!(error instanceof RedisGone)) throw error;
      throw new RegistryError('unavailable', 'uploads cannot be served now: try again', undefined, error);
    }
  }
}

function list(reply: Reply): readonly Reply[] {
  if (!Array.isArray(reply)) throw new Error(`a script of the sessions answered ${JSON.stringify(reply)}`);
  return reply;
}

function text(reply: Reply): string {
  if (typeof reply !== 'string') throw new Error(`a script of the sessions answered ${JSON.stringify(reply)}`);
  return reply;
}

function answer(reply: Reply): ClaimAnswer {
  if (reply === 'held' || reply === 'deposed' || reply === 'unknown') return reply;
  throw new Error(`a script of the sessions answered ${JSON.stringify(reply)}`);
}

function decode(id: UploadId, record: string): Session | undefined {
  if (record === '') return undefined;
  const session = decodeRecord(sessionRecord, record);
  if (session === undefined) throw new Error(`the record of the upload ${id} cannot be read`);
  return session;
}
