// Nodes of a cluster in one process: Redis projections over a real server and one store.
import { afterAll, beforeAll, beforeEach } from 'bun:test';
import { ulid } from 'ulid';
import type { Digest, Incarnation, RepositoryName } from '../../src/oci/names.ts';
import type { Projection } from '../../src/projection/projection.ts';
import { parseRedisUrl } from '../../src/projection/redis/address.ts';
import type { RedisCommands, Reply, Script } from '../../src/projection/redis/commands.ts';
import { connectRedis, type RedisConnection } from '../../src/projection/redis/connection.ts';
import type { RedisProjectionPorts } from '../../src/projection/redis/ports.ts';
import { RedisProjection } from '../../src/projection/redis/projection.ts';
import { noCrash } from '../../src/storage/crash-points.ts';
import type { StorageDriver } from '../../src/storage/driver.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { TOOLS_WITHIN_MS } from './command.ts';
import { openProjection } from './projections.ts';
import { type RedisServer, startRedis, stopRedis } from './redis.ts';
import { cleanUp } from './server.ts';
import { REPO } from './slots.ts';

/** A connection that records each script, and can be made to fail. */
export class WatchedRedis implements RedisCommands {
  readonly ran: string[] = [];
  /** Called before each script; the caller of the script gets what it throws. */
  before: (script: string, args: readonly (string | number)[]) => void | Promise<void> = () => {};
  /** Called after each script; the caller gets what it throws instead of the reply. */
  after: (script: string) => void = () => {};
  /** What the server did not say. */
  readonly unchecked: readonly string[];
  readonly #connection: RedisConnection;

  constructor(connection: RedisConnection, unchecked: readonly string[]) {
    this.unchecked = unchecked;
    this.#connection = connection;
  }

  async evaluate(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<Reply> {
    this.ran.push(script.name);
    await this.before(script.name, args);
    const reply = await this.#connection.evaluate(script, keys, args);
    this.after(script.name);
    return reply;
  }

  ready(within: number): Promise<boolean> {
    return this.#connection.ready(within);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}

export async function connect(url: string, caFile?: string, within = 20_000): Promise<WatchedRedis> {
  const address = parseRedisUrl(url);
  if (address === undefined) throw new Error(`${url} is not a valid REDIS_URL`);
  const unchecked: string[] = [];
  const connection = connectRedis(address, {
    ...(caFile === undefined ? {} : { caFile }),
    onCommand: () => {},
    onConnectionError: () => {},
    onUnchecked: (what) => unchecked.push(what),
  });
  try {
    if (!(await connection.ready(within))) throw new Error(`no connection to ${url}`);
  } catch (error) {
    await connection.close();
    throw error;
  }
  return new WatchedRedis(connection, unchecked);
}

export interface OpenNode {
  readonly projection: RedisProjection;
  readonly redis: WatchedRedis;
  /** The heals of views, and the reasons for reads from storage, since the node started. */
  readonly observed: string[];
}

/** One node: a projection with its own connection. */
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
      malformed: () => observed.push('malformed'),
      listingFailed: () => observed.push('listing failed'),
      fellBack: (why) => observed.push(why),
      waitedForTurn: () => observed.push('waited'),
    },
    ...ports,
    ...options,
  });
  return { projection, redis, observed };
}

/** Shared by the tests of a file: one server, and a fresh store for each test, with any number of nodes. */
export interface World {
  readonly server: RedisServer;
  driver: MemoryDriver;
  /** ULID of the store. */
  store: string;
  /** Added to the real time, in milliseconds. */
  clockOffset: number;
  /** @param url of another server than the file's */
  node(options?: Partial<RedisProjectionPorts>, url?: string): Promise<OpenNode>;
}

/** Call it once at the top of a file: it starts and stops the server. */
export function redisWorld(): World {
  let server: RedisServer | undefined;
  const connections: WatchedRedis[] = [];
  const world: World = {
    driver: new MemoryDriver(),
    store: ulid(),
    clockOffset: 0,
    get server(): RedisServer {
      if (server === undefined) throw new Error('the server starts only before the first test');
      return server;
    },
    async node(options: Partial<RedisProjectionPorts> = {}, url = world.server.url): Promise<OpenNode> {
      const redis = await connect(url);
      connections.push(redis);
      const { driver, store } = world;
      return await openNode(redis, driver, { store, now: () => Date.now() + world.clockOffset, ...options });
    },
  };
  beforeAll(async () => {
    server = await startRedis();
  }, TOOLS_WITHIN_MS);
  beforeEach(() => {
    world.driver = new MemoryDriver();
    world.store = ulid();
    world.clockOffset = 0;
  });
  afterAll(async () => {
    for (const each of connections) await each.close();
    await stopRedis();
    await cleanUp();
  });
  return world;
}

/** All tags of a repository, or `unknown`. */
export async function tagsOf(projection: Projection, repo: RepositoryName = REPO): Promise<string[]> {
  const answer = await projection.tags(repo, undefined, 10_000);
  return answer.kind === 'known' ? [...answer.value.items] : ['unknown'];
}

export async function catalogOf(projection: Projection): Promise<string[]> {
  return [...(await projection.repositories(undefined, 100)).items];
}

/** `count` different digests, the same at each call. */
export function manyDigests(count: number, from = 0): Digest[] {
  return Array.from(
    { length: count },
    (_, index) => `sha256:${(index + from).toString(16).padStart(64, '0')}` as Digest,
  );
}
