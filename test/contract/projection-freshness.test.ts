// A view in Redis is never trusted while the log may be ahead: each way in which it can lag, on a real server.
import { describe, expect, test } from 'bun:test';
import { accept } from '../../src/journal/command.ts';
import { hashSlot } from '../../src/journal/events.ts';
import { foldLog } from '../../src/journal/log.ts';
import { RegistryError } from '../../src/oci/errors.ts';
import type { Digest, RepositoryName, Tag } from '../../src/oci/names.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { slotKey } from '../../src/storage/paths.ts';
import { FEW } from '../support/generators.ts';
import { openProjection } from '../support/projections.ts';
import { startRedis } from '../support/redis.ts';
import { catalogOf, type OpenNode, redisWorld, tagsOf } from '../support/redis-projections.ts';
import { refusalOf } from '../support/registry.ts';
import { REPO } from '../support/slots.ts';
import { setTags } from '../support/writers.ts';

const [digest] = FEW.manifests as [Digest];
const world = redisWorld();

/** For nodes whose time stands still, apart from `clockOffset`: what a test does meanwhile may take seconds on a busy machine. */
function still(): { readonly now: () => number } {
  const begun = Date.now();
  return { now: () => begun + world.clockOffset };
}

/** The scripts that ran during the work. */
async function scriptsOf({ redis }: OpenNode, work: () => unknown): Promise<string[]> {
  redis.ran.length = 0;
  await work();
  return [...redis.ran];
}

describe('cost', () => {
  test('a read takes one round trip', async () => {
    const a = await world.node();
    await a.projection.submit(REPO, setTags('x', 'y'));
    await catalogOf(a.projection);
    const { projection } = a;
    expect(await scriptsOf(a, () => projection.manifestByTag(REPO, 'x' as Tag))).toEqual(['ask']);
    expect(await scriptsOf(a, () => projection.manifestByDigest(REPO, digest))).toEqual(['ask']);
    expect(await scriptsOf(a, () => projection.blob(REPO, digest))).toEqual(['ask']);
    expect(await scriptsOf(a, () => projection.tags(REPO, 'a', 10))).toEqual(['list-tags']);
    expect(await scriptsOf(a, () => projection.referrers(REPO, digest, {}, 10))).toEqual(['list-referrers']);
    expect(await scriptsOf(a, () => projection.repositories(undefined, 10))).toEqual(['catalog-page']);
    const nowhere = 'no/where' as RepositoryName;
    expect(await scriptsOf(a, () => tagsOf(projection, nowhere))).toEqual(['list-tags', 'catalog-lacks']);
  });

  test('a write takes three round trips, however many commands share it', async () => {
    const a = await world.node();
    await a.projection.submit(REPO, setTags('x'));
    const push = () => Promise.all(['a', 'b', 'c'].map((tag) => a.projection.submit(REPO, setTags(tag))));
    expect(await scriptsOf(a, push)).toEqual(['ask', 'announce', 'apply']);
  });
});

describe('a slot that was read from the log', () => {
  test('is in the answers of every node once it was shown, though its writer died before it was in the view', async () => {
    const time = still();
    const [a, b] = [await world.node(time), await world.node(time)];
    await a.projection.submit(REPO, setTags('x'));
    expect(await tagsOf(b.projection)).toEqual(['x']);
    a.redis.before = async (name) => {
      if (name === 'apply') throw new Error('killed');
    };
    expect(await a.projection.submit(REPO, setTags('y')).catch(String)).toBe('Error: killed');
    const { state } = await foldLog(world.driver, REPO);
    expect([...state.tags.keys()] as string[]).toEqual(['x', 'y']);
    // The announcement is looked up after two seconds only.
    expect(await tagsOf(b.projection)).toEqual(['x']);
    await b.projection.shown(REPO, state.seq);
    expect(await tagsOf((await world.node(time)).projection)).toEqual(['x', 'y']);
    // What all have already costs one look at Redis.
    expect(await scriptsOf(b, () => b.projection.shown(REPO, state.seq))).toEqual(['ask']);
  });
});

describe('a write that one node acknowledged', () => {
  test('is served by every node from then on', async () => {
    const [a, b] = [await world.node(), await world.node()];
    for (let round = 0; round < 20; round++) {
      const [writer, reader] = round % 2 === 0 ? [a, b] : [b, a];
      await writer.projection.submit(REPO, setTags(`t${round}`));
      expect(await tagsOf(reader.projection)).toHaveLength(round + 1);
      expect(await catalogOf(reader.projection)).toEqual([REPO]);
    }
    expect([...a.observed, ...b.observed].filter((each) => each === 'gone' || each === 'busy')).toEqual([]);
  });

  test('survives FLUSHALL: each repository is correct on first use, and so is the catalog', async () => {
    const [a, b] = [await world.node(), await world.node()];
    const repos = ['a', 'b', 'c/d'].map((name) => name as RepositoryName);
    for (const repo of repos) await a.projection.submit(repo, setTags('x', 'y'));
    await a.projection.submit('b' as RepositoryName, { decide: () => accept(undefined, { type: 'repo.deleted' }) });
    await world.server.cli('FLUSHALL');
    expect(await catalogOf(b.projection)).toEqual(['a', 'c/d']);
    expect(await tagsOf(a.projection, repos[0])).toEqual(['x', 'y']);
    expect(await tagsOf(b.projection, repos[1])).toEqual(['unknown']);
    await world.server.cli('FLUSHALL');
    await a.projection.submit('b' as RepositoryName, setTags('z'));
    expect(await tagsOf(b.projection, repos[1])).toEqual(['z']);
    expect(await catalogOf(b.projection)).toEqual(['a', 'b', 'c/d']);
  });

  test('survives the restore of an old dump', async () => {
    const own = await startRedis();
    const connected = () => world.node({}, own.url);
    const a = await connected();
    await a.projection.submit(REPO, setTags('old'));
    expect(await catalogOf(a.projection)).toEqual([REPO]);
    await own.cli('SAVE');
    await a.projection.submit(REPO, setTags('new'));
    await a.projection.submit('other' as RepositoryName, setTags('x'));
    await own.kill();
    await startRedis({ port: own.port, folder: own.folder });
    const b = await connected();
    expect(await tagsOf(b.projection)).toEqual(['new', 'old']);
    expect(b.observed).toEqual(['caught up']);
    expect(await catalogOf(b.projection)).toEqual(['other', REPO]);
    // The same dump under a node that has seen later slots.
    expect(await tagsOf(a.projection)).toEqual(['new', 'old']);
  });

  // A verification or decision on one server must not count for another one.
  test.each(['own', 'apply'])('survives the restore of an old dump just before %s', async (when) => {
    let own = await startRedis();
    const [a, b] = [await world.node({}, own.url), await world.node({}, own.url)];
    await a.projection.submit(REPO, setTags('x'));
    await own.cli('SAVE');
    await a.projection.submit(REPO, setTags('y'));
    await own.cli('HSET', `{${world.store}:${REPO}}:meta`, 'owner', 'an older server');
    expect(await tagsOf(a.projection)).toEqual(['x', 'y']);
    await own.cli('HSET', `{${world.store}:${REPO}}:meta`, 'owner', 'an older server');
    a.redis.before = async (name) => {
      if (name !== when) return;
      a.redis.before = () => {};
      await own.kill();
      own = await startRedis({ port: own.port, folder: own.folder });
      for (const { redis } of [a, b]) expect(await redis.ready(60_000)).toBe(true);
    };
    // This node would notice that the view went back, so it dies before it can.
    a.redis.after = (name) => {
      if (name === when && when === 'own') throw new Error('killed');
    };
    if (when === 'own') expect(await tagsOf(a.projection).catch(String)).toBe('Error: killed');
    else await a.projection.submit(REPO, setTags('z'));
    a.redis.after = () => {};
    const all = when === 'own' ? ['x', 'y'] : ['x', 'y', 'z'];
    for (const each of [b, a]) expect(await tagsOf(each.projection)).toEqual(all);
  });

  // A generation holds the log as its builder read it. It is sent after Redis has lost later slots, and may have no steps to lose.
  test.each([
    ['switch', 'of an empty log', []],
    ['build', 'with content', ['w']],
  ] as const)('survives a late %s of a view %s, when Redis lost everything meanwhile', async (late, _, before) => {
    for (const tag of before) await openProjection(world.driver).submit(REPO, setTags(tag));
    const [a, b, stranger] = [await world.node(), await world.node(), await world.node()];
    a.redis.before = async (name) => {
      if (name !== late) return;
      a.redis.before = () => {};
      // Its lease has expired by now.
      await world.server.cli('DEL', `{${world.store}:${REPO}}:heal`);
      await b.projection.submit(REPO, setTags('x'));
      await world.server.cli('FLUSHALL');
    };
    // It dies before it inspects the view again.
    a.redis.after = (name) => {
      if (name === 'switch') throw new Error('killed');
    };
    expect(await tagsOf(a.projection).catch(String)).toBe('Error: killed');
    expect(await tagsOf(stranger.projection)).toEqual([...before, 'x']);
    await stranger.projection.submit(REPO, setTags('y'));
    expect(await tagsOf(b.projection)).toEqual([...before, 'x', 'y']);
  });

  test('is not undone by a dump of another log', async () => {
    const a = await world.node();
    await a.projection.submit(REPO, setTags('x'));
    await a.projection.submit(REPO, setTags('y'));
    // Another bucket under the same ULID: slots with the same numbers differ.
    world.driver = new MemoryDriver();
    await openProjection(world.driver).submit(REPO, setTags('z'));
    const b = await world.node();
    await world.server.cli('HSET', `{${world.store}:${REPO}}:meta`, 'owner', 'an older server');
    expect(await tagsOf(b.projection)).toEqual(['z']);
    expect(b.observed).toEqual(['rebuilt']);
  });
});

describe('a slot that the view lacks', () => {
  const crash = {
    reach: () => {
      throw new Error('killed');
    },
  };

  test('of a writer that crashed before applying it is found after two seconds', async () => {
    const time = still();
    const [a, b] = [await world.node(time), await world.node({ ...time, reach: crash.reach })];
    await a.projection.submit(REPO, setTags('x'));
    expect(await b.projection.submit(REPO, setTags('y')).catch(String)).toBe('Error: killed');
    expect(await tagsOf(a.projection)).toEqual(['x']);
    world.clockOffset = 2_500;
    expect(await tagsOf(a.projection)).toEqual(['x', 'y']);
    expect(a.observed).toEqual(['rebuilt', 'caught up']);
  });

  test('is found at once by the next writer', async () => {
    const [a, b] = [await world.node(), await world.node({ reach: crash.reach })];
    await a.projection.submit(REPO, setTags('x'));
    expect(await b.projection.submit(REPO, setTags('y')).catch(String)).toBe('Error: killed');
    await a.projection.submit(REPO, setTags('z'));
    expect(await tagsOf(a.projection)).toEqual(['x', 'y', 'z']);
  });

  test('that was announced and is late is probed for repeatedly, for a quarter of an hour', async () => {
    const a = await world.node(still());
    await a.projection.submit(REPO, setTags('x'));
    // A writer that hangs in `create`.
    const gone = new Error('hangs');
    const create = world.driver.create.bind(world.driver);
    world.driver.create = () => Promise.reject(new RegistryError('unavailable', 'hangs', undefined, gone));
    expect(await refusalOf(a.projection.submit(REPO, setTags('y')))).toBe('unavailable');
    world.driver.create = create;
    const probes: number[] = [];
    for (world.clockOffset = 0; world.clockOffset < 1_200_000; world.clockOffset += 500) {
      a.observed.length = 0;
      expect(await tagsOf(a.projection)).toEqual(['x']);
      if (a.observed.length > 0) probes.push(world.clockOffset);
    }
    const waits = probes.map((at, index) => at - (probes[index - 1] ?? 0));
    for (const [index, wait] of waits.slice(1, 5).entries()) {
      expect(wait / (waits[index] ?? 0)).toBeGreaterThanOrEqual(1);
      expect(wait / (waits[index] ?? 0)).toBeLessThan(2.5);
    }
    expect(probes.length).toBeLessThan(30);
    expect(Math.max(...waits)).toBeLessThanOrEqual(61_000);
    expect(probes[probes.length - 1]).toBeGreaterThan(900_000);
    expect(probes[probes.length - 1]).toBeLessThan(970_000);
  });

  test('written by a node without Redis is never overwritten, and later commands are decided on it', async () => {
    const a = await world.node();
    await a.projection.submit(REPO, setTags('x'));
    await openProjection(world.driver).submit(REPO, setTags('y'));
    const result = await a.projection.submit(REPO, {
      needs: { tags: ['y' as Tag] },
      decide: (facts) => accept(facts.tag('y' as Tag), { type: 'tag.set', tag: 'z' as Tag, digest }),
    });
    expect(result).toBe(digest);
    expect(await tagsOf(a.projection)).toEqual(['x', 'y', 'z']);
  });
});

describe('a view of another layout', () => {
  const meta = (): string => `{${world.store}:${REPO}}:meta`;
  const layoutOf = async (seq: number): Promise<string> => `2 ${await world.server.cli('HGET', meta(), 'gen')} ${seq}`;

  test('is rebuilt, whether it predates layouts or was advanced or built by an older script', async () => {
    const a = await world.node();
    await a.projection.submit(REPO, setTags('x'));
    const gen = await world.server.cli('HGET', meta(), 'gen');
    expect(await world.server.cli('HGET', meta(), 'layout')).toBe(await layoutOf(1));
    for (const change of [
      ['HDEL', meta(), 'layout'],
      ['HSET', meta(), 'layout', `2 ${gen} 0`],
      ['HSET', meta(), 'layout', '2 01ARZ3NDEKTSV4RRFFQ69G5FAV 1'],
      ['HSET', meta(), 'layout', `1 ${gen} 1`],
    ]) {
      await world.server.cli(...change);
      a.observed.length = 0;
      expect(await tagsOf(a.projection)).toEqual(['x']);
      expect(a.observed).toEqual(['rebuilt']);
      expect(await world.server.cli('HGET', meta(), 'layout')).toBe(await layoutOf(1));
    }
    await world.server.cli('HDEL', meta(), 'layout');
    await a.projection.submit(REPO, setTags('y'));
    expect(await tagsOf(a.projection)).toEqual(['x', 'y']);
    expect(await world.server.cli('HGET', meta(), 'layout')).toBe(await layoutOf(2));
  });

  test('whose next slot was partly applied by an older script is rebuilt; its steps are not continued', async () => {
    const [a, b] = [await world.node(), await world.node()];
    await a.projection.submit(REPO, setTags('x'));
    a.redis.before = async (name) => {
      if (name !== 'apply') return;
      a.redis.before = () => {};
      const slot = await world.driver.read(slotKey(REPO, 2));
      await world.server.cli('HSET', meta(), 'cursor', `${hashSlot(slot ?? new Uint8Array())} 2 -`);
    };
    await a.projection.submit(REPO, setTags('y', 'z'));
    expect(await tagsOf(b.projection)).toEqual(['x', 'y', 'z']);
    expect(a.observed).toEqual(['rebuilt', 'rebuilt']);
  });
});
