// Many nodes on one Redis: concurrent healing, turns, and service without Redis.
import { describe, expect, test } from 'bun:test';
import { RegistryError } from '../../src/oci/errors.ts';
import type { Digest } from '../../src/oci/names.ts';
import { RedisGone } from '../../src/projection/redis/commands.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { slotKey } from '../../src/storage/paths.ts';
import { FEW } from '../support/generators.ts';
import { openProjection } from '../support/projections.ts';
import { startRedis } from '../support/redis.ts';
import { catalogOf, type OpenNode, redisWorld, tagsOf } from '../support/redis-projections.ts';
import { REPO } from '../support/slots.ts';
import { setTags } from '../support/writers.ts';

const [_digest] = FEW.manifests as [Digest];
const world = redisWorld();

describe('nodes that heal concurrently', () => {
  test('heal once, and none of them answers wrongly in the meantime', async () => {
    const nodes = await Promise.all(Array.from({ length: 4 }, () => world.node()));
    const [first] = nodes as [OpenNode];
    const tags = Array.from({ length: 2_000 }, (_, index) => `t${String(index).padStart(4, '0')}`);
    await first.projection.submit(REPO, setTags(tags[0] as string, ...tags.slice(1)));
    await world.server.cli('FLUSHALL');
    const reads = nodes.flatMap(({ projection }) => Array.from({ length: 5 }, () => tagsOf(projection)));
    for (const answer of await Promise.all(reads)) expect(answer).toEqual(tags);
    const healed = nodes.flatMap(({ observed }) => observed).filter((each) => each === 'rebuilt');
    // One of them for the first write, to an empty log.
    expect(healed).toHaveLength(2);
  });

  test('a generation that another one overtook is not switched in', async () => {
    const [a, b] = [await world.node(), await world.node()];
    await a.projection.submit(REPO, setTags('x'));
    await world.server.cli('FLUSHALL');
    a.redis.before = async (name) => {
      if (name !== 'switch') return;
      a.redis.before = () => {};
      // The lease of a node that was paused for long has expired.
      await world.server.cli('DEL', `{${world.store}:${REPO}}:heal`);
      await b.projection.submit(REPO, setTags('y'));
    };
    expect(await tagsOf(a.projection)).toEqual(['x', 'y']);
    expect(await tagsOf(b.projection)).toEqual(['x', 'y']);
    const keys = (await world.server.cli('KEYS', `{${world.store}:${REPO}}:*:tags`)).split('\n');
    expect(keys).toHaveLength(1);
  });

  test('a verification during which Redis was lost does not count', async () => {
    const [a, b] = [await world.node(), await world.node()];
    await a.projection.submit(REPO, setTags('x'));
    await world.server.cli('HSET', `{${world.store}:${REPO}}:meta`, 'owner', 'an older server');
    const lost: string[] = [];
    a.redis.before = async (name) => {
      if (name !== 'own' || lost.length > 0) return;
      lost.push(await world.server.cli('FLUSHALL'));
      await b.projection.submit(REPO, setTags('y'));
    };
    expect(await tagsOf(a.projection)).toEqual(['x', 'y']);
    expect(lost).toEqual(['OK']);
  });

  test('lost steps of a generation are detected', async () => {
    const a = await world.node();
    const tags = Array.from({ length: 1_000 }, (_, index) => `t${String(index).padStart(4, '0')}`);
    await a.projection.submit(REPO, setTags(tags[0] as string, ...tags.slice(1)));
    await world.server.cli('FLUSHALL');
    let builds = 0;
    a.redis.before = async (name) => {
      if (name !== 'build' || ++builds !== 3) return;
      // The other steps are sent with this one, so they are done by then, and lost.
      await Bun.sleep(100);
      await world.server.cli('FLUSHALL');
    };
    expect(await tagsOf(a.projection)).toEqual(tags);
    expect(builds).toBeGreaterThan(4);
  });
});

describe('without Redis', () => {
  test('reads fold the log, writes are refused in time, and both recover when it is back', async () => {
    const own = await startRedis();
    const a = await world.node({}, own.url);
    const { redis } = a;
    await a.projection.submit(REPO, setTags('x'));
    for (const stop of ['kill', 'freeze'] as const) {
      const restarted = stop === 'kill' ? own : await startRedis({ port: own.port });
      if (stop === 'freeze') {
        expect(await redis.ready(60_000)).toBe(true);
        expect(await tagsOf(a.projection)).toEqual(['x']);
      }
      await restarted[stop]();
      const begin = performance.now();
      expect(await tagsOf(a.projection)).toEqual(['x']);
      expect(await catalogOf(a.projection)).toEqual([REPO]);
      const refused = await a.projection.submit(REPO, setTags('y')).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(RegistryError);
      expect((refused as RegistryError).kind).toBe('unavailable');
      expect(performance.now() - begin).toBeLessThan(20_000);
      // Another node, which reaches Redis, writes: this one follows the log.
      if (stop === 'kill') continue;
      await openProjection(world.driver).submit(REPO, setTags('z'));
      expect(await tagsOf(a.projection)).toEqual(['x', 'z']);
      restarted.thaw();
      expect(await redis.ready(60_000)).toBe(true);
      expect(await tagsOf(a.projection)).toEqual(['x', 'z']);
      await a.projection.submit(REPO, setTags('after'));
      expect(await tagsOf(a.projection)).toEqual(['after', 'x', 'z']);
    }
  });

  test('that is full, reads are still served from Redis, and writes are refused in time', async () => {
    const own = await startRedis();
    const a = await world.node({}, own.url);
    await a.projection.submit(REPO, setTags('x'));
    await own.cli('CONFIG', 'SET', 'maxmemory', '1');
    a.observed.length = 0;
    expect(await tagsOf(a.projection)).toEqual(['x']);
    expect(a.observed).toEqual([]);
    const refused = await a.projection.submit(REPO, setTags('y')).catch((error: unknown) => error);
    expect((refused as RegistryError).kind).toBe('unavailable');
    await own.cli('CONFIG', 'SET', 'maxmemory', '0');
    await a.projection.submit(REPO, setTags('z'));
    expect(await tagsOf(a.projection)).toEqual(['x', 'z']);
  });

  test('lost between create and apply, a write is acknowledged once it is back', async () => {
    const a = await world.node();
    await a.projection.submit(REPO, setTags('x'));
    let lost = 3;
    a.redis.before = (name) => {
      if (name === 'apply' && lost-- > 0) throw new RedisGone('away');
    };
    await a.projection.submit(REPO, setTags('y'));
    expect(await tagsOf(a.projection)).toEqual(['x', 'y']);
  });
});

describe('many nodes on one repository', () => {
  test('take turns: none starves', async () => {
    const slow = new MemoryDriver();
    const create = slow.create.bind(slow);
    slow.create = async (key, bytes) => {
      await Bun.sleep(10);
      return await create(key, bytes);
    };
    world.driver = slow;
    const nodes = await Promise.all(Array.from({ length: 8 }, () => world.node()));
    const done = nodes.map(() => 0);
    const longest = nodes.map(() => 0);
    const end = performance.now() + 4_000;
    await Promise.all(
      nodes.map(async ({ projection }, index) => {
        while (performance.now() < end) {
          const begin = performance.now();
          await projection.submit(REPO, setTags(`n${index}-${done[index]}`));
          longest[index] = Math.max(longest[index] ?? 0, performance.now() - begin);
          done[index] = (done[index] ?? 0) + 1;
        }
      }),
    );
    const total = done.reduce((sum, each) => sum + each, 0);
    const median = [...longest].sort((one, two) => one - two)[4] ?? 0;
    expect(Math.min(...done)).toBeGreaterThan(total / 8 / 3);
    expect(Math.max(...longest)).toBeLessThan(10 * median);
    expect(await tagsOf((nodes[0] as OpenNode).projection)).toHaveLength(total);
    const slots = await Promise.all(
      Array.from({ length: total + 1 }, (_, index) => slow.head(slotKey(REPO, index + 1))),
    );
    expect(slots.filter((each) => each !== undefined)).toHaveLength(total);
  });

  test('a node that crashes during its turn blocks the others only briefly', async () => {
    const [a, b] = [await world.node(), await world.node()];
    await a.projection.submit(REPO, setTags('x'));
    await world.server.cli('SET', `{${world.store}:${REPO}}:turn`, 'dead', 'PX', '3000');
    const begin = performance.now();
    await b.projection.submit(REPO, setTags('y'));
    expect(performance.now() - begin).toBeLessThan(15_000);
    expect(b.observed).toContain('waited');
  });
});
