import type { z } from 'zod';
import { jsonOf } from '../../oci/json.ts';
import { type Incarnation, parseIncarnation } from '../../oci/names.ts';
import { type RedisCommands, type Reply, type Script, ScriptFailed } from '../../projection/redis/commands.ts';
import { script } from '../../projection/redis/script.ts';
import announce from './scripts/announce.lua' with { type: 'text' };
import forget from './scripts/forget.lua' with { type: 'text' };
import leave from './scripts/leave.lua' with { type: 'text' };
import list from './scripts/list.lua' with { type: 'text' };

const SCRIPTS = {
  announce: script('roster-announce', announce),
  list: script('roster-list', list),
  leave: script('roster-leave', leave),
  forget: script('roster-forget', forget),
} as const;

/** How long one that is silent stays on the list, in milliseconds: a failure of the night is seen in the morning. */
export const STAYS_MS = 24 * 3_600_000;
/** How many are on a list. */
export const MAX_LISTED = 500;
/** Bytes of what one says of itself. */
const MAX_BYTES = 4_096;

/** One of a list. */
export interface Listed<T> {
  readonly id: Incarnation;
  /** How long it has not been heard, in milliseconds, by the clock of Redis: clocks of machines differ. */
  readonly silentFor: number;
  readonly about: T;
}

/** A list of those that are there, for administrators. Each announces itself again and again. Nothing else depends on it. */
export interface Roster<T> {
  announce(id: Incarnation, about: T): Promise<void>;
  leave(id: Incarnation): Promise<void>;
  /** The one heard last is the first. */
  list(): Promise<readonly Listed<T>[]>;
}

export interface RosterPorts<T> {
  readonly redis: RedisCommands;
  /** ULID of the store's objects. */
  readonly store: string;
  /** Of the list, for its keys. */
  readonly name: string;
  /** Of what each says of itself. */
  readonly schema: z.ZodType<T>;
  /** Another program wrote to the list. */
  readonly malformed: (error: unknown) => void;
}

/**
 * A list in Redis. It may be lost with Redis, or be wrong.
 *
 *   {<store>}:<name>:heard    sorted set: id, and when it was heard last
 *   {<store>}:<name>          hash: id -> what it says of itself, as JSON
 */
export class RedisRoster<T> implements Roster<T> {
  readonly #ports: RosterPorts<T>;
  readonly #keys: readonly string[];

  constructor(ports: RosterPorts<T>) {
    this.#ports = ports;
    const { store, name } = ports;
    this.#keys = [`{${store}}:${name}:heard`, `{${store}}:${name}`];
  }

  /** @throws RedisGone, ScriptFailed */
  async announce(id: Incarnation, about: T): Promise<void> {
    await this.#run(SCRIPTS.announce, [id, JSON.stringify(about), STAYS_MS, MAX_LISTED]);
  }

  /** @throws RedisGone, ScriptFailed */
  async leave(id: Incarnation): Promise<void> {
    await this.#run(SCRIPTS.leave, [id]);
  }

  /** What none of ours can have written is left out. @throws RedisGone, ScriptFailed */
  async list(): Promise<readonly Listed<T>[]> {
    const reply = await this.#run(SCRIPTS.list, [MAX_LISTED, MAX_BYTES]);
    const texts = Array.isArray(reply) ? reply.map(String) : [];
    const listed: Listed<T>[] = [];
    let malformed = 0;
    for (let index = 0; index + 2 < texts.length; index += 3) {
      const [id = '', silentFor = '', about = ''] = texts.slice(index, index + 3);
      const one = this.#parsed(id, silentFor, about);
      if (one === undefined) malformed++;
      else listed.push(one);
    }
    if (malformed > 0) this.#ports.malformed(new Error(`${malformed} entries are malformed`));
    return listed;
  }

  #parsed(idText: string, silentFor: string, text: string): Listed<T> | undefined {
    const id = parseIncarnation(idText);
    if (id === undefined || !/^\d{1,15}$/.test(silentFor)) return undefined;
    const about = this.#ports.schema.safeParse(jsonOf(text));
    return about.success ? { id, silentFor: Number(silentFor), about: about.data } : undefined;
  }

  async #run(wanted: Script, args: readonly (string | number)[]): Promise<Reply> {
    const { redis, malformed } = this.#ports;
    try {
      return await redis.evaluate(wanted, this.#keys, args);
    } catch (error) {
      if (!(error instanceof ScriptFailed)) throw error;
      malformed(error);
      await redis.evaluate(SCRIPTS.forget, this.#keys, []);
      return await redis.evaluate(wanted, this.#keys, args);
    }
  }
}
