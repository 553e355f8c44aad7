import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { LEASE_MS, RedisSessions } from '../../src/sessions/redis-sessions.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { stagedKey, uploadPrefix } from '../../src/storage/paths.ts';
import { countingIncarnations, TestClock } from '../support/deterministic.ts';
import { type RedisServer, startRedis, stopRedis } from '../support/redis.ts';
import { connect } from '../support/redis-projections.ts';
import { refusalOf } from '../support/registry.ts';
import { cleanUp } from '../support/server.ts';
import { redisSessions } from '../support/shared-sessions.ts';
import { digest, type OpenedSessions, owner, SESSION_EXPIRY, sessionsContract } from './sessions.contract.ts';
import { sessionNodesContract } from './sessions-nodes.contract.ts';

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  await stopRedis();
  await cleanUp();
});

interface OpenedRedis extends OpenedSessions {
  /** The prefix of all keys of this store. */
  readonly prefix: string;
}

async function open(clock: TestClock, to = server): Promise<OpenedRedis> {
  const driver = new MemoryDriver();
  const shared = redisSessions(to, { driver, clock, expiry: SESSION_EXPIRY });
  return {
    store: await shared.node(),
    reopen: shared.node,
    renew: () => shared.repeats.fire(),
    leaveBytes: (id, inc) => driver.put(stagedKey(id, inc), new Uint8Array([1])),
    hasBytes: async (id) => {
      for await (const _ of driver.list(uploadPrefix(id))) return true;
      return false;
    },
    close: shared.close,
    prefix: `{${shared.store}:u`,
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

  const opened: OpenedRedis[] = [];
  afterAll(async () => {
    for (const each of opened) await each.close();
  });

  async function fresh(to = server): Promise<OpenedRedis> {
    const each = await open(new TestClock(), to);
    opened.push(each);
    return each;
  }

  async function keys({ prefix }: OpenedRedis): Promise<string[]> {
    const all = await server.cli('KEYS', `${prefix}*`);
    return all.split('\n').filter((key) => key !== '' && !key.endsWith(':epoch'));
  }

  test('take no memory before their first bytes, little after their end, and none in the long run', async () => {
    const current = await fresh();
    const { store } = current;
    const { id } = await store.create(owner, 'sha256');
    await store.load(id, owner);
    expect(await keys(current)).toEqual([]);
    const lease = await store.lease(id, owner);
    if (typeof lease === 'string') return expect.unreachable();
    const [key = ''] = await keys(current);
    expect(key).toBe(`${current.prefix}:${id}}`);
    await lease.release();
    expect(await keys(current)).toEqual([]);
    const again = await store.lease(id, owner);
    if (typeof again === 'string') return expect.unreachable();
    await again.end();
    expect(await server.cli('HGETALL', key)).toBe('ended\n1');
    expect(Number(await server.cli('TTL', key))).toBeLessThanOrEqual(3600);
    const { session, lease: writing } = await withBytes(current, new TestClock());
    const kept = `${current.prefix}:${session.id}}`;
    const ttl = Number(await server.cli('TTL', kept));
    expect(ttl).toBeGreaterThan(SESSION_EXPIRY / 1000 + 86_390);
    expect(ttl).toBeLessThanOrEqual(SESSION_EXPIRY / 1000 + 86_400);
    expect(await server.cli('ZRANGE', `${current.prefix}}:index`, '0', '-1')).toBe(session.id);
    await writing.end();
    expect(await server.cli('EXISTS', `${current.prefix}}:index`)).toBe('0');
    expect(Number(await server.cli('TTL', kept))).toBeGreaterThan(86_390);
  });

  test('with bytes are unknown, not empty, after Redis lost everything, and new ones can be started at once', async () => {
    const current = await fresh();
    const { session, lease } = await withBytes(current, new TestClock());
    const { id: empty } = await current.store.create(owner, 'sha256');
    await server.cli('FLUSHALL');
    expect(await refusalOf(lease.save({ ...session, offset: 8 }))).toBe('upload-unknown');
    await lease.release();
    for (const store of [current.store, await current.reopen()]) {
      for (const id of [session.id, empty]) {
        expect(await store.load(id, owner)).toBeUndefined();
        expect(await store.lease(id, owner)).toBe('unknown');
      }
      const { id } = await store.create(owner, 'sha256');
      expect((await current.store.load(id, owner))?.offset).toBe(0);
    }
  });

  test('are unknown, not empty, even if Redis loses everything during a request', async () => {
    const current = await fresh();
    const clock = new TestClock();
    const redis = await connect(server.url);
    const store = new RedisSessions({
      ...{
        redis,
        store: current.prefix.slice(1, -2),
        driver: new MemoryDriver(),
        now: clock.now,
        expiry: SESSION_EXPIRY,
      },
      ...{
        newToken: countingIncarnations(clock.now),
        repeat: () => () => {},
        failed: () => expect.unreachable(),
        malformed: () => expect.unreachable(),
      },
    });
    for (const script of ['upload-load', 'upload-lease', 'upload-epoch']) {
      const { session, lease } = await withBytes(current, clock);
      await lease.release();
      expect((await store.load(session.id, owner))?.offset).toBe(7);
      redis.before = async (next) => {
        if (next !== script) return;
        redis.before = () => {};
        await server.cli('FLUSHALL');
      };
      expect(await store[script === 'upload-load' ? 'load' : 'lease'](session.id, owner)).toBe(
        script === 'upload-load' ? undefined : 'unknown',
      );
      expect(await keys(current)).toEqual([]);
    }
    await redis.close();
  });

  test('are refused in time while Redis is down, and continue when it is back', async () => {
    const own = await startRedis();
    const current = await fresh(own);
    const { session, lease } = await withBytes(current, new TestClock());
    await lease.release();
    const held = await current.store.lease(session.id, owner);
    if (typeof held === 'string') return expect.unreachable();
    own.freeze();
    const begin = performance.now();
    const refusals = [
      current.store.create(owner, 'sha256'),
      current.store.load(session.id, owner),
      current.store.lease(session.id, owner),
      held.save({ ...session, offset: 8 }),
    ].map(refusalOf);
    expect(await Promise.all(refusals)).toEqual(Array.from({ length: 4 }, () => 'unavailable'));
    expect(performance.now() - begin).toBeLessThan(20_000);
    own.thaw();
    const reopened = await current.reopen();
    expect((await reopened.load(session.id, owner))?.id).toBe(session.id);
    await own.kill();
    expect(await refusalOf(reopened.load(session.id, owner))).toBe('unavailable');
  });
});
