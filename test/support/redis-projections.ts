// Redis projections over a real server: nodes of a cluster, in one process.
import { ulid } from 'ulid';
import type { Incarnation } from '../../src/oci/names.ts';
import { parseRedisUrl } from '../../src/projection/redis/address.ts';
import type { RedisCommands, Reply, Script } from '../../src/projection/redis/commands.ts';
import { connectRedis, type RedisConnection } from '../../src/projection/redis/connection.ts';
import type { RedisProjectionPorts } from '../../src/projection/redis/ports.ts';
import { RedisProjection } from '../../src/projection/redis/projection.ts';
import { noCrash } from '../../src/storage/crash-points.ts';
import type { StorageDriver } from '../../src/storage/driver.ts';
import { openProjection } from './projections.ts';

/** A connection that tells each script that it runs, and can be cut. */
export class WatchedRedis implements RedisCommands {
  readonly ran: string[] = [];
  /** Called before each script; what it throws is thrown to who wanted to run it. */
  before: (script: string, args: readonly (string | number)[]) => void | Promise<void> = () => {};
  readonly #connection: RedisConnection;

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  async evaluate(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<Reply> {
    this.ran.push(script.name);
    await this.before(script.name, args);
    return await this.#connection.evaluate(script, keys, args);
  }

  ready(within: number): Promise<boolean> {
    return this.#connection.ready(within);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}

export async function connect(url: string, caFile?: string): Promise<WatchedRedis> {
  const address = parseRedisUrl(url);
  if (address === undefined) throw new Error(`${url} is no address of a Redis`);
  const ports = { onCommand: () => {}, onTrouble: () => {}, ...(caFile === undefined ? {} : { caFile }) };
  const connection = connectRedis(address, ports);
  if (!(await connection.ready(20_000))) throw new Error(`no connection to ${url}`);
  return new WatchedRedis(connection);
}

export interface OpenNode {
  readonly projection: RedisProjection;
  readonly redis: WatchedRedis;
  /** What was healed, and what was answered from storage, since the node began. */
  readonly observed: string[];
}

/** One node: a projection on a connection of its own. */
export async function openNode(
  redis: WatchedRedis,
  driver: StorageDriver,
  options: Partial<RedisProjectionPorts> = {},
): Promise<OpenNode> {
  const observed: string[] = [];
  const ports = {
    driver,
    now: Date.now,
    sleep: (milliseconds: number) => Bun.sleep(milliseconds),
    newId: () => ulid() as Incarnation,
    reach: noCrash,
    node: 'node',
    onAppend: () => {},
    ...options,
  };
  const projection = new RedisProjection({
    redis,
    store: ulid(),
    fold: openProjection(driver, { ...ports, probe: true }),
    observer: {
      healed: (how) => observed.push(how),
      fellBack: (why) => observed.push(why),
      waitedForTurn: () => observed.push('waited'),
    },
    ...ports,
    ...options,
  });
  return { projection, redis, observed };
}
