import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { parseRedisUrl } from '../../src/projection/redis/address.ts';
import { connectRedis, type RedisConnection } from '../../src/projection/redis/connection.ts';
import { LEASE_MS, RedisSessions } from '../../src/sessions/redis-sessions.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { stagedKey, uploadPrefix } from '../../src/storage/paths.ts';
import { countingIncarnations, TestClock } from '../support/deterministic.ts';
import { type RedisServer, startRedis, stopRedis } from '../support/redis.ts';
import { refusalOf } from '../support/registry.ts';
import { TestRepeats } from '../support/repeats.ts';
import { cleanUp } from '../support/server.ts';
import { digest, type OpenedSessions, owner, SESSION_EXPIRY, sessionsContract } from './sessions.contract.ts';
import { sessionNodesContract } from './sessions-nodes.contract.ts';

let server: RedisServer;
let connections: RedisConnection[] = [];
let stores = 0;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  for (const connection of connections) await connection.close();
  connections = [];
  await stopRedis();
  await cleanUp();
});

async function connect(to = server): Promise<RedisConnection> {
  const address = parseRedisUrl(to.url);
  if (address === undefined) throw new Error(`${to.url} is no address`);
  const connection = connectRedis(address, { onCommand: () => {}, onTrouble: () => {} });
  connections.push(connection);
  expect(await connection.ready(5_000)).toBe(true);
  return connection;
}

interface OpenedRedis extends OpenedSessions {
  /** What all keys of this store begin with. */
  readonly prefix: string;
}

async function open(clock: TestClock, to = server): Promise<OpenedRedis> {
  const driver = new MemoryDriver();
  const repeats = new TestRepeats();
  const newToken = countingIncarnations(clock.now);
  // A store of its own in the one Redis.
  const store = `01ARZ3NDEKTSV4RRFF${String(++stores).padStart(8, '0')}`;
  const over = (redis: RedisConnection) =>
    new RedisSessions({
      ...{ redis, store, driver, newToken, now: clock.now, expiry: SESSION_EXPIRY, repeat: repeats.repeat },
      failed: (error) => {
        throw error;
      },
    });
  return {
    store: over(await connect(to)),
    reopen: async () => over(await connect(to)),
    renew: () => repeats.fire(),
    leaveBytes: (id, inc) => driver.put(stagedKey(id, inc), new Uint8Array([1])),
    hasBytes: async (id) => {
      for await (const _ of driver.list(uploadPrefix(id))) return true;
      return false;
    },
    close: driver.close,
    prefix: `{${store}:u`,
  };
}

sessionsContract('Redis', open);
sessionNodesContract('Redis', LEASE_MS, open);

describe('sessions in Redis', () => {
  async function withBytes({ store }: OpenedSessions, clock: TestClock) {
    const { id } = await store.create(owner, 'sha256');
    const lease = await store.lease(id, owner);
    if (typeof lease === 'string') return expect.unreachable();
    const session = { ...lease.session, offset: 7, inc: countingIncarnations(clock.now)(), digest };
    await lease.save(session);
    return { session, lease };
  }

  async function keys({ prefix }: OpenedRedis): Promise<string[]> {
    const all = await server.cli('KEYS', `${prefix}*`);
    return all.split('\n').filter((key) => key !== '' && !key.endsWith(':epoch'));
  }

  test('take no room before their first bytes, little when they ended, and none for ever', async () => {
    const opened = await open(new TestClock());
    const { store } = opened;
    const { id } = await store.create(owner, 'sha256');
    await store.load(id, owner);
    expect(await keys(opened)).toEqual([]);
    const lease = await store.lease(id, owner);
    if (typeof lease === 'string') return expect.unreachable();
    const [key = ''] = await keys(opened);
    expect(key).toBe(`${opened.prefix}:${id}}`);
    await lease.release();
    expect(await keys(opened)).toEqual([]);
    const again = await store.lease(id, owner);
    if (typeof again === 'string') return expect.unreachable();
    await again.end();
    expect(await server.cli('HGETALL', key)).toBe('ended\n1');
    expect(Number(await server.cli('TTL', key))).toBeLessThanOrEqual(3600);
    const { session, lease: writing } = await withBytes(opened, new TestClock());
    const kept = `${opened.prefix}:${session.id}}`;
    const ttl = Number(await server.cli('TTL', kept));
    expect(ttl).toBeGreaterThan(SESSION_EXPIRY / 1000 + 86_390);
    expect(ttl).toBeLessThanOrEqual(SESSION_EXPIRY / 1000 + 86_400);
    expect(await server.cli('ZRANGE', `${opened.prefix}}:index`, '0', '-1')).toBe(session.id);
    await writing.end();
    expect(await server.cli('EXISTS', `${opened.prefix}}:index`)).toBe('0');
    expect(Number(await server.cli('TTL', kept))).toBeGreaterThan(86_390);
  });

  test('that had bytes are unknown, not empty, when Redis lost everything, and new ones are made at once', async () => {
    const opened = await open(new TestClock());
    const { session, lease } = await withBytes(opened, new TestClock());
    const { id: fresh } = await opened.store.create(owner, 'sha256');
    await server.cli('FLUSHALL');
    expect(await refusalOf(lease.save({ ...session, offset: 8 }))).toBe('upload-unknown');
    await lease.release();
    for (const store of [opened.store, await opened.reopen()]) {
      for (const id of [session.id, fresh]) {
        expect(await store.load(id, owner)).toBeUndefined();
        expect(await store.lease(id, owner)).toBe('unknown');
      }
      const { id } = await store.create(owner, 'sha256');
      expect((await opened.store.load(id, owner))?.offset).toBe(0);
    }
  });

  test('cannot be used while Redis is away, which is said in time, and go on when it is back', async () => {
    const own = await startRedis();
    const opened = await open(new TestClock(), own);
    const { session, lease } = await withBytes(opened, new TestClock());
    await lease.release();
    const held = await opened.store.lease(session.id, owner);
    if (typeof held === 'string') return expect.unreachable();
    own.freeze();
    const begin = performance.now();
    const refusals = [
      opened.store.create(owner, 'sha256'),
      opened.store.load(session.id, owner),
      opened.store.lease(session.id, owner),
      held.save({ ...session, offset: 8 }),
    ].map(refusalOf);
    expect(await Promise.all(refusals)).toEqual(Array.from({ length: 4 }, () => 'unavailable'));
    expect(performance.now() - begin).toBeLessThan(5_000);
    own.thaw();
    const reopened = await opened.reopen();
    expect((await reopened.load(session.id, owner))?.id).toBe(session.id);
    await own.kill();
    expect(await refusalOf(reopened.load(session.id, owner))).toBe('unavailable');
  }, 30_000);
});
