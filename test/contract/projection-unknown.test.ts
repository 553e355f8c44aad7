// Reads of names that were never written cost no store request, and no acknowledged repository counts as one.
import { expect, test } from 'bun:test';
import type { Digest, RepositoryName, Tag } from '../../src/oci/names.ts';
import type { Projection } from '../../src/projection/projection.ts';
import type { StorageDriver } from '../../src/storage/driver.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { eventually } from '../support/eventually.ts';
import { FEW } from '../support/generators.ts';
import { openProjection } from '../support/projections.ts';
import { catalogOf, redisWorld, tagsOf } from '../support/redis-projections.ts';
import { refusalOf } from '../support/registry.ts';
import { setTags } from '../support/writers.ts';

const world = redisWorld();
const NAMES = Array.from({ length: 1_000 }, (_, index) => `no/such-${index}` as RepositoryName);
const REAL = ['a', 'team/app', 'team/other'] as RepositoryName[];
const [digest] = FEW.manifests as [Digest];

/** A store that records its calls. */
function counted(driver: StorageDriver): { readonly driver: StorageDriver; readonly calls: string[] } {
  const calls: string[] = [];
  const proxy = new Proxy(driver, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        calls.push(`${String(name)} ${String(args[0])}`);
        return value.apply(target, args);
      };
    },
  });
  return { driver: proxy, calls };
}

/** Every read of a repository by a client. */
async function readAll(projection: Projection, repo: RepositoryName): Promise<void> {
  const unknown = { kind: 'unknown' } as const;
  expect(await projection.manifestByTag(repo, 'x' as Tag)).toEqual(unknown);
  expect(await projection.manifestByDigest(repo, digest)).toEqual(unknown);
  expect(await projection.blob(repo, digest)).toEqual(unknown);
  expect(await projection.blobUse(repo, digest)).toEqual(unknown);
  expect(await projection.tags(repo, undefined, 10)).toEqual(unknown);
  expect(await projection.referrers(repo, digest, {}, 10)).toEqual({ items: [], more: false });
}

test('in memory: 1,000 unknown names cost no store request, after one listing', async () => {
  const { driver, calls } = counted(new MemoryDriver());
  const first = openProjection(driver);
  for (const repo of REAL) await first.submit(repo, setTags('x'));
  const projection = openProjection(driver);
  calls.length = 0;
  await catalogOf(projection);
  expect(calls.filter((each) => each === 'list catalog/')).toHaveLength(1);
  calls.length = 0;
  for (const repo of NAMES) await readAll(projection, repo);
  expect(calls).toEqual([]);
  for (const repo of REAL) expect(await tagsOf(projection, repo)).toEqual(['x']);
  // The first read starts the listing, and does not wait for it.
  const reopened = openProjection(driver);
  await readAll(reopened, NAMES[0] as RepositoryName);
  await Bun.sleep(1);
  calls.length = 0;
  for (const repo of NAMES) await readAll(reopened, repo);
  expect(calls).toEqual([]);
});

test('in memory: a name is known once it was written, even if its first write was not confirmed', async () => {
  const real = new MemoryDriver();
  const { driver } = counted(real);
  const projection = openProjection(driver);
  await catalogOf(projection);
  const [failed, written] = NAMES as [RepositoryName, RepositoryName];
  await readAll(projection, written);
  await projection.submit(written, setTags('x'));
  expect(await tagsOf(projection, written)).toEqual(['x']);
  const create = real.create.bind(real);
  real.create = async (...args) => {
    await create(...args);
    // The slot and its marker are created, but the answer is lost.
    if (String(args[0]).includes('_log')) throw new Error('no answer');
    return 'created';
  };
  real.read = async () => {
    throw new Error('no answer');
  };
  expect(await refusalOf(projection.submit(failed, setTags('x')))).toBe('unavailable');
  const again = new MemoryDriver();
  real.read = again.read.bind(real);
  real.create = create;
  await projection.submit(failed, setTags('y'));
  expect(await tagsOf(projection, failed)).toEqual(['x', 'y']);
  expect(await catalogOf(projection)).toEqual([failed, written]);
});

test('in memory beside other processes: each unknown name costs one HEAD, and their acknowledged writes are seen', async () => {
  const store = new MemoryDriver();
  const { driver, calls } = counted(store);
  const [one, other] = [openProjection(driver, { probe: true }), openProjection(driver, { probe: true })];
  const [repo] = NAMES as [RepositoryName];
  for (let time = 0; time < 2; time++) {
    calls.length = 0;
    expect(await tagsOf(other, repo)).toEqual(['unknown']);
    expect(calls.map((each) => each.split(' ')[0])).toEqual(['head']);
  }
  calls.length = 0;
  await Promise.all(Array.from({ length: 100 }, () => tagsOf(other, repo)));
  // One for the first, and one for all that came while it was in flight.
  expect(calls.length).toBeLessThanOrEqual(2);
  await one.submit(repo, setTags('x'));
  expect(await tagsOf(other, repo)).toEqual(['x']);
});

test('in Redis: 1,000 unknown names cost no store request and no key, after one listing', async () => {
  const { driver, calls } = counted(world.driver);
  world.driver = driver as MemoryDriver;
  const a = await world.node();
  for (const repo of REAL) await a.projection.submit(repo, setTags('x'));
  await catalogOf(a.projection);
  const before = await world.server.cli('DBSIZE');
  calls.length = 0;
  a.redis.ran.length = 0;
  for (const repo of NAMES) expect(await tagsOf(a.projection, repo)).toEqual(['unknown']);
  expect(a.redis.ran.length).toBe(2 * NAMES.length);
  for (const repo of NAMES.slice(0, 50)) await readAll(a.projection, repo);
  expect(calls).toEqual([]);
  expect(await world.server.cli('DBSIZE')).toBe(before);
  // After a loss of all data one read starts one listing.
  await world.server.cli('FLUSHALL');
  const b = await world.node();
  expect(await tagsOf(b.projection, NAMES[0])).toEqual(['unknown']);
  await eventually(async () => expect(await world.server.cli('HEXISTS', `{${world.store}}:meta`, 'owner')).toBe('1'));
  calls.length = 0;
  for (const repo of NAMES.slice(1)) expect(await tagsOf(b.projection, repo)).toEqual(['unknown']);
  expect(calls).toEqual([]);
  for (const repo of REAL) expect(await tagsOf(b.projection, repo)).toEqual(['x']);
});

test('in Redis: every node knows a name once its first write is acknowledged, whatever was lost before', async () => {
  const [a, b] = [await world.node(), await world.node()];
  for (const [index, repo] of NAMES.slice(0, 30).entries()) {
    expect(await tagsOf(b.projection, repo)).toEqual(['unknown']);
    if (index % 3 === 1) await world.server.cli('FLUSHALL');
    await a.projection.submit(repo, setTags('x'));
    if (index % 3 === 2) await world.server.cli('FLUSHALL');
    // Only the view is lost: the catalog must not hide the log.
    await world.server.cli('DEL', `{${world.store}:${repo}}:meta`);
    expect(await tagsOf(b.projection, repo)).toEqual(['x']);
  }
});

test('in Redis: the log is still read for a repository that was settled as deleted', async () => {
  const [a, b] = [await world.node(), await world.node()];
  const [repo] = NAMES as [RepositoryName];
  await a.projection.submit(repo, setTags('x'));
  await catalogOf(a.projection);
  // As after a loss of only the catalog's server, and a writer that was killed before it settled (decision 22).
  const [, names, changes] = [`{${world.store}}:meta`, `{${world.store}}:catalog`, `{${world.store}}:changes`];
  await world.server.cli('ZREM', names as string, repo);
  await world.server.cli('HSET', changes as string, repo, '0');
  await world.server.cli('DEL', `{${world.store}:${repo}}:meta`);
  expect(await tagsOf(b.projection, repo)).toEqual(['x']);
});
