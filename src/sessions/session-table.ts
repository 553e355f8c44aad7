import { RegistryError } from '../oci/errors.ts';
import type { UploadId } from '../oci/names.ts';
import { type RedisCommands, RedisGone, type Reply, type Script, ScriptFailed } from '../projection/redis/commands.ts';
import type { ClaimAnswer } from '../registry/renewed-lease.ts';
import type { Session } from '../registry/sessions.ts';
import { SCRIPTS } from './scripts.ts';
import { MalformedSession, parseSession } from './stored-session.ts';

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
  readonly #malformed: (error: unknown) => void;

  /** @param malformed hears of keys that hold what no node stored, each time one was thrown away */
  constructor(redis: RedisCommands, store: string, malformed: (error: unknown) => void) {
    this.#redis = redis;
    this.#store = store;
    this.#malformed = malformed;
  }

  /** @param fresh becomes the epoch of a Redis that has none */
  async epoch(fresh: string): Promise<string> {
    return text(await this.#onShared(SCRIPTS.epoch, `{${this.#store}:u}:epoch`, fresh));
  }

  /**
   * undefined when it ended, or is another owner's. @param owner left out: whoever's it is
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

  /** @param next undefined: the claim is lengthened only. @throws MalformedSession */
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

  /** Ends a session of which Redis holds something that no node stored. @param ttl seconds for which that is remembered */
  async break(error: MalformedSession, id: UploadId, ttl: number): Promise<void> {
    await this.#run(SCRIPTS.break, this.#key(id), ttl);
    this.#malformed(error);
  }

  async enter(id: UploadId, createdAt: number): Promise<void> {
    await this.#onShared(SCRIPTS.index, this.#index, id, createdAt);
  }

  async strikeOut(id: string): Promise<void> {
    await this.#onShared(SCRIPTS.index, this.#index, id, '');
  }

  /** Sessions with bytes that are listed as made before that time (milliseconds), oldest first: names that others may have listed. */
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
      throw new MalformedSession(id, 'its key holds something else', error);
    }
  }

  /** Of a key that belongs to all sessions: what others put there is thrown away, as if Redis had lost it. */
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
  return record === '' ? undefined : parseSession(id, record);
}
