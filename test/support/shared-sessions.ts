// Session stores that several nodes share, each node with its own instance.
import { parseRedisUrl } from '../../src/projection/redis/address.ts';
import { connectRedis, type RedisConnection } from '../../src/projection/redis/connection.ts';
import { LOG_LEASE_MS, LogSessions } from '../../src/registry/log-sessions.ts';
import { SessionIds } from '../../src/registry/session-ids.ts';
import type { SessionStore } from '../../src/registry/sessions.ts';
import { LEASE_MS, RedisSessions } from '../../src/sessions/redis-sessions.ts';
import type { StorageDriver } from '../../src/storage/driver.ts';
import { countingIncarnations, type TestClock } from './deterministic.ts';
import type { RedisServer } from './redis.ts';
import { TestRepeats } from './repeats.ts';

export interface SharedSessions {
  /** Values that the nodes discarded because no node can have written them. */
  readonly malformed: readonly unknown[];
  /** The store's ULID. */
  readonly store: string;
  /** Milliseconds after which a lease that is not renewed can be taken over. */
  readonly lapse: number;
  /** Renewals of the leases of all nodes. */
  readonly repeats: TestRepeats;
  /** One more node. */
  node(): Promise<SessionStore>;
  close(): Promise<void>;
}

interface Surroundings {
  readonly driver: StorageDriver;
  readonly clock: TestClock;
  /** Milliseconds. */
  readonly expiry: number;
}

const READY_WITHIN_MS = 240_000;
let stores = 0;

/** A fresh store; several may be in the same Redis. */
function freshStore(): string {
  return `01ARZ3NDEKTSV4RRFF${String(++stores).padStart(8, '0')}`;
}

function failed(error: unknown): void {
  throw error;
}

export function logSessions({ driver, clock, expiry }: Surroundings): SharedSessions {
  const store = freshStore();
  const repeats = new TestRepeats();
  const { repeat } = repeats;
  const ids = new SessionIds(store);
  const newToken = countingIncarnations(clock.now);
  return {
    ...{ store, repeats, lapse: LOG_LEASE_MS, malformed: [] },
    node: async () => new LogSessions({ driver, ids, now: clock.now, expiry, newToken, repeat, failed }),
    close: async () => {},
  };
}

export function redisSessions(server: RedisServer, { driver, clock, expiry }: Surroundings): SharedSessions {
  const store = freshStore();
  const repeats = new TestRepeats();
  const { repeat } = repeats;
  const newToken = countingIncarnations(clock.now);
  const address = parseRedisUrl(server.url);
  if (address === undefined) throw new Error(`${server.url} is not a valid REDIS_URL`);
  const connections: RedisConnection[] = [];
  const malformed: unknown[] = [];
  return {
    ...{ store, repeats, lapse: LEASE_MS, malformed },
    async node() {
      const redis = connectRedis(address, { onCommand: () => {}, onConnectionError: () => {}, onUnchecked: () => {} });
      connections.push(redis);
      if (!(await redis.ready(READY_WITHIN_MS))) throw new Error(`there is no connection to ${server.url}`);
      const heard = { failed, malformed: (error: unknown) => void malformed.push(error) };
      return new RedisSessions({ redis, store, driver, now: clock.now, expiry, newToken, repeat, ...heard });
    },
    async close() {
      for (const each of connections) await each.close();
    },
  };
}
