// The topologies that REDIS_URL may name: a server over TLS, a Sentinel group that fails over, a Redis Cluster; and what is refused.
import { afterEach, describe, expect, test } from 'bun:test';
import { ulid } from 'ulid';
import { accept } from '../../src/journal/command.ts';
import type { RepositoryName } from '../../src/oci/names.ts';
import { RedisRefused } from '../../src/projection/redis/connection.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { countingIncarnations } from '../support/deterministic.ts';
import { eventually } from '../support/eventually.ts';
import {
  makeCertificates,
  type RedisCluster,
  startRedis,
  startRedisCluster,
  startRedisGroup,
} from '../support/redis.ts';
import { catalogOf, connect, openNode, redisWorld, tagsOf, type WatchedRedis } from '../support/redis-projections.ts';
import { REPO } from '../support/slots.ts';
import { setTags } from '../support/writers.ts';
import { projectionContract } from './projection.contract.ts';

const world = redisWorld();
/** Of a test. */
const WITHIN_MS = 300_000;

describe('a server over TLS', () => {
  test('is used only when its certificate is trusted', async () => {
    const tls = await makeCertificates();
    const { url } = await startRedis({ tls });
    const redis = await connect(url, tls.ca);
    const { projection } = await openNode(redis, world.driver, { store: world.store });
    await projection.submit(REPO, setTags('x'));
    expect(await tagsOf(projection)).toEqual(['x']);
    await redis.close();
    const distrustful = await connect(url, undefined, 1_000).catch(String);
    expect(distrustful).toContain('no connection');
  });
});

describe('a server that evicts keys', () => {
  test('is refused', async () => {
    const { url } = await startRedis({ settings: [['maxmemory-policy', 'allkeys-lru']] });
    const refusal = await connect(url).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(RedisRefused);
    expect(String(refusal)).toContain('noeviction');
  });

  test('is used if CONFIG is forbidden, because that hides the policy, which is reported once', async () => {
    const { url } = await startRedis({ settings: [['rename-command', 'CONFIG', '']] });
    const redis = await connect(url);
    expect(await redis.ready(1_000)).toBe(true);
    expect(redis.unchecked).toEqual(['maxmemory-policy']);
    const { projection } = await openNode(redis, world.driver, { store: world.store });
    await projection.submit(REPO, setTags('x'));
    await redis.close();
    expect(await tagsOf(projection)).toEqual(['x']);
  });
});

describe('a Sentinel group', () => {
  test(
    'fails over to a replica that lacks the last writes: nothing acknowledged is lost or undone',
    async () => {
      const group = await startRedisGroup();
      const [a, b] = [await world.node({}, group.url), await world.node({}, group.url)];
      const other = 'other' as RepositoryName;
      await a.projection.submit(REPO, setTags('x'));
      await a.projection.submit(other, setTags('x'));
      expect(await catalogOf(b.projection)).toEqual(['other', REPO]);
      const offset = async () => /slave_repl_offset:(\d+)/.exec(await group.replica.cli('INFO', 'replication'))?.[1];
      const master = async () => /master_repl_offset:(\d+)/.exec(await group.master.cli('INFO', 'replication'))?.[1];
      while ((await offset()) !== (await master())) await Bun.sleep(20);
      // From here on the replica gets nothing.
      group.replica.freeze();
      await a.projection.submit(REPO, setTags('y'));
      await a.projection.submit(other, { decide: () => accept(undefined, { type: 'repo.deleted' }) });
      await a.projection.submit('new' as RepositoryName, setTags('x'));
      expect(await tagsOf(b.projection)).toEqual(['x', 'y']);
      await group.master.kill();
      group.replica.thaw();
      // Reads are correct all the time.
      const end = performance.now() + 1_500;
      while (performance.now() < end) expect(await tagsOf(b.projection)).toEqual(['x', 'y']);
      await group.failOver();
      for (const node of [a, b]) expect(await node.redis.ready(60_000)).toBe(true);
      expect(await tagsOf(b.projection)).toEqual(['x', 'y']);
      expect(await tagsOf(a.projection, other)).toEqual(['unknown']);
      expect(await catalogOf(b.projection)).toEqual(['new', REPO]);
      // A Sentinel may announce the failover after the client has found the new master. The client then connects again, and
      // writes are refused meanwhile.
      await eventually(async () => {
        await b.projection.submit(REPO, setTags('z'));
      });
      expect(await tagsOf(a.projection)).toEqual(['x', 'y', 'z']);
    },
    WITHIN_MS,
  );

  test(
    'whose master is isolated refuses all scripts, including reads',
    async () => {
      const { url, master, replica } = await startRedisGroup([
        ['min-replicas-to-write', '1'],
        ['min-replicas-max-lag', '2'],
      ]);
      const a = await world.node({}, url);
      // On a loaded machine the replica may already be late, which refuses the write.
      await eventually(async () => {
        await a.projection.submit(REPO, setTags('x'));
      });
      replica.freeze();
      await eventually(async () => expect(await master.cli('SET', 'probe', '1')).toContain('NOREPLICAS'));
      a.observed.length = 0;
      expect(await tagsOf(a.projection)).toEqual(['x']);
      expect(a.observed).toEqual(['gone']);
      expect(await a.projection.submit(REPO, setTags('y')).catch((error) => error.kind)).toBe('unavailable');
      replica.thaw();
    },
    WITHIN_MS,
  );
});

let cluster: Promise<{ cluster: RedisCluster; redis: WatchedRedis }> | undefined;
async function openCluster(): Promise<{ cluster: RedisCluster; redis: WatchedRedis }> {
  const started = await startRedisCluster();
  return { cluster: started, redis: await connect(started.url) };
}

projectionContract('a Redis Cluster', async (clock) => {
  cluster ??= openCluster();
  const { redis } = await cluster;
  const driver = new MemoryDriver();
  const store = ulid();
  let number = 0;
  const open = async () => {
    const newId = countingIncarnations(clock.now, number++);
    return (await openNode(redis, driver, { store, newId, now: clock.now })).projection;
  };
  return { projection: await open(), reopen: open, close: () => driver.close() };
});

describe('a Redis Cluster', () => {
  afterEach(async () => {
    await (await cluster)?.redis.close();
  });

  test(
    'that loses a server still serves its repositories, from the log',
    async () => {
      const started = await startRedisCluster();
      const a = await world.node({}, started.url);
      const repos = Array.from({ length: 12 }, (_, index) => `r${index}` as RepositoryName);
      for (const repo of repos) await a.projection.submit(repo, setTags('x'));
      const sizes = await Promise.all(started.servers.map((each) => each.cli('DBSIZE')));
      expect(sizes.map(Number).every((size) => size > 0)).toBe(true);
      await started.servers[1]?.kill();
      const begin = performance.now();
      for (const repo of repos) expect(await tagsOf(a.projection, repo)).toEqual(['x']);
      expect(performance.now() - begin).toBeLessThan(40_000);
      expect(a.observed).toContain('gone');
    },
    WITHIN_MS,
  );
});
