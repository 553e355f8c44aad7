import { RegistryError } from '../oci/errors.ts';
import type { UploadId } from '../oci/names.ts';
import { type RedisCommands, RedisGone, type Reply, type Script, ScriptFailed } from '../projection/redis/commands.ts';
import type { ClaimAnswer } from '../registry/renewed-lease.ts';
import type { Session } from '../registry/sessions.ts';
import { SCRIPTS } from './scripts.ts';
import { MalformedSession, parseSession } from './stored-session.ts';

/** A session as it is stored. `session` is undefined before its first bytes. */
export interface StoredSession {
  readonly session: Session | undefined;
  /** When the claim of a request ends, in milliseconds; undefined if there is none. */
  readonly until: number | undefined;
}

export type LeaseAnswer =
  | { readonly kind: 'unknown' | 'busy' }
  | { readonly kind: 'granted'; readonly takenOver: boolean; readonly session: Session | undefined };

/**
 * The sessions' keys in Redis, and the scripts that touch them; each key begins with the store's ULID.
 *
 *   {<store>:u:<id>}     hash: owner, record, token and until of the claim, contested; or ended
 *   {<store>:u}:index    zset: the sessions that have bytes, by creation time
 *   {<store>:u}:epoch    a random word; sessions whose ids were minted under another one are gone
 */
export class SessionTable {
  readonly #redis: RedisCommands;
  readonly #store: string;
  readonly #malformed: (error: unknown) => void;

  /** @param malformed called for each key that was discarded because no node stored its value */
  constructor(redis: RedisCommands, store: string, malformed: (error: unknown) => void) {
    this.#redis = redis;
    this.#store = store;
    this.#malformed = malformed;
  }

  /** @param fresh becomes the epoch if Redis has none */
  async epoch(fresh: string): Promise<string> {
    return text(await this.#onShared(SCRIPTS.epoch, `{${this.#store}:u}:epoch`, fresh));
  }

  /**
   * undefined if it ended, or belongs to another owner. @param owner default: any
   * @throws MalformedSession
   */
  async load(id: UploadId, owner = ''): Promise<StoredSession | undefined> {
    const [kind, record = '', until = ''] = list(await this.#onSession(SCRIPTS.load, id, owner));
    if (kind !== 'known') return undefined;
    return { session: decode(id, text(record)), until: until === '' ? undefined : Number(until) };
  }

  /** @throws MalformedSession */
  async lease(
    id: UploadId,
    owner: string,
    claim: { readonly token: string; readonly now: number; readonly until: number; readonly ttl: number },
  ): Promise<LeaseAnswer> {
    const { token, now, until, ttl } = claim;
    const reply = await this.#onSession(SCRIPTS.lease, id, owner, token, now, until, ttl);
    const [kind, takenOver, record = ''] = list(reply);
    if (kind !== 'granted') return { kind: kind === 'busy' ? 'busy' : 'unknown' };
    return { kind, takenOver: takenOver === 1, session: decode(id, text(record)) };
  }

  /** @param next undefined: only extend the claim. @throws MalformedSession */
  async save(
    id: UploadId,
    claim: { readonly token: string; readonly until: number; readonly ttl: number },
    next: Session | undefined,
  ): Promise<ClaimAnswer> {
    const record = next === undefined ? '' : JSON.stringify(next);
    return answer(await this.#onSession(SCRIPTS.save, id, claim.token, claim.until, claim.ttl, record));
  }

  /** @throws MalformedSession */
  async release(id: UploadId, token: string): Promise<void> {
    await this.#onSession(SCRIPTS.release, id, token);
  }

  /** @throws MalformedSession */
  async end(id: UploadId, token: string, ttl: { written: number; unwritten: number }): Promise<ClaimAnswer> {
    return answer(await this.#onSession(SCRIPTS.end, id, token, ttl.written, ttl.unwritten));
  }

  /** Ends a session that no node stored as it is. @param ttl seconds for which the end is kept */
  async break(error: MalformedSession, id: UploadId, ttl: number): Promise<void> {
    await this.#run(SCRIPTS.break, this.#key(id), ttl);
    this.#malformed(error);
  }

  async addToIndex(id: UploadId, createdAt: number): Promise<void> {
    await this.#onShared(SCRIPTS.index, this.#index, id, createdAt);
  }

  async removeFromIndex(id: string): Promise<void> {
    await this.#onShared(SCRIPTS.index, this.#index, id, '');
  }

  /** Sessions with bytes created before the given time (milliseconds), oldest first. The names are not validated. */
  async oldest(before: number, count: number, skip: number): Promise<string[]> {
    return list(await this.#onShared(SCRIPTS.oldest, this.#index, before, count, skip)).map(text);
  }

  get #index(): string {
    return `{${this.#store}:u}:index`;
  }

  #key(id: UploadId): string {
    return `{${this.#store}:u:${id}}`;
  }

  async #onSession(script: Script, id: UploadId, ...args: readonly (string | number)[]): Promise<Reply> {
    try {
      return await this.#run(script, this.#key(id), ...args);
    } catch (error) {
      if (!(error instanceof ScriptFailed)) throw error;
      throw new MalformedSession(id, 'its key has another type', error);
    }
  }

  /** For a key that all sessions share. A malformed value is discarded, as if Redis had lost it. */
  async #onShared(script: Script, key: string, ...args: readonly (string | number)[]): Promise<Reply> {
    try {
      return await this.#run(script, key, ...args);
    } catch (error) {
      if (!(error instanceof ScriptFailed)) throw error;
      await this.#run(SCRIPTS.forget, key);
      this.#malformed(error);
      return await this.#run(script, key, ...args);
    }
  }

  async #run(script: Script, key: string, ...args: readonly (string | number)[]): Promise<Reply> {
    try {
      return await this.#redis.evaluate(script, [key], args);
    } catch (error) {
      if (!(error instanceof RedisGone)) throw error;
      throw new RegistryError('unavailable', 'uploads are not available now: try again', undefined, error);
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
  return record === '' ? undefined : parseSession(id, record);
}
