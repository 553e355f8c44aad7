// Late updates of the catalog in Redis: a node reads the state of a repository, Redis loses everything and is filled again, and then the
// node updates the catalog.
import { describe, expect, test } from 'bun:test';
import { ulid } from 'ulid';
import { accept } from '../../src/journal/command.ts';
import type { RepositoryName } from '../../src/oci/names.ts';
import { Catalog } from '../../src/projection/redis/catalog.ts';
import { RedisGone } from '../../src/projection/redis/commands.ts';
import type { StoreReader } from '../../src/storage/driver.ts';
import { markerKey } from '../../src/storage/paths.ts';
import { raise } from '../support/raise.ts';
import { connect, redisWorld, type WatchedRedis } from '../support/redis-projections.ts';
import { REPO } from '../support/slots.ts';
import { setTags } from '../support/writers.ts';

const world = redisWorld();

/** The state of the repository in its log. */
interface Truth {
  readonly seq: number;
  readonly exists: boolean;
}

/** A node's catalog. @param look reads the state of the repository itself */
async function open(look: () => Promise<Truth>): Promise<{ catalog: Catalog; redis: WatchedRedis }> {
  const { driver, store, server } = world;
  const redis = await connect(server.url);
  return {
    redis,
    catalog: new Catalog({ redis, store, driver, newId: ulid, look, malformed: raise, listingFailed: raise }),
  };
}

async function listed(catalog: Catalog): Promise<readonly RepositoryName[]> {
  return (await catalog.page(undefined, 10)).items;
}

/**
 * Redis loses everything while a node has an update in progress. The update arrives after another node has listed the markers, and
 * before that node has read any repository.
 * @param begin starts the update before the loss. @returns a function that finishes it after
 */
async function late(
  truth: Truth,
  begin: (catalog: Catalog) => Promise<() => Promise<unknown>>,
): Promise<readonly RepositoryName[]> {
  await world.driver.create(markerKey(REPO), new Uint8Array());
  const one = await open(async () => truth);
  const other = await open(async () => truth);
  // The catalog was in use before.
  await listed(one.catalog);
  const end = await begin(one.catalog);
  await world.server.cli('FLUSHALL');
  other.redis.before = async (script) => {
    if (script === 'catalog-end') await end();
  };
  await listed(other.catalog);
  const names = await listed(other.catalog);
  await one.redis.close();
  await other.redis.close();
  return names;
}

const THERE: Truth = { seq: 6, exists: true };
const GONE: Truth = { seq: 6, exists: false };

describe('an update whose state was read before Redis lost everything, and which is sent after it', () => {
  test('by a writer, does not hide a repository that was recreated in the meantime', async () => {
    const names = await late(THERE, async (catalog) => {
      const era = await catalog.mark(REPO, 5);
      return () => catalog.settle(REPO, 5, false, era);
    });
    expect(names).toEqual([REPO]);
  });

  test('by a writer, does not list a repository that was deleted in the meantime', async () => {
    const names = await late(GONE, async (catalog) => {
      const era = await catalog.mark(REPO, 5);
      return () => catalog.settle(REPO, 5, true, era);
    });
    expect(names).toEqual([]);
  });

  for (const [truth, says] of [
    [THERE, false],
    [GONE, true],
  ] as const) {
    test(`by a reader, is ignored: ${says ? 'deleted' : 'recreated'} in the meantime`, async () => {
      const names = await late(truth, async (catalog) => {
        // The announced slot was never written, so readers must read the repository itself.
        await catalog.mark(REPO, 7);
        const reading = Promise.withResolvers<void>();
        const answer = Promise.withResolvers<Truth>();
        const reader = await open(() => {
          reading.resolve();
          return answer.promise;
        });
        const page = listed(reader.catalog);
        await Promise.race([reading.promise, page]);
        return async () => {
          answer.resolve({ seq: 5, exists: says });
          await page;
          await reader.redis.close();
        };
      });
      expect(names).toEqual(truth.exists ? [REPO] : []);
    });
  }

  test('makes the next reader read the repository, because the update may be the latest event', async () => {
    await world.driver.create(markerKey(REPO), new Uint8Array());
    let truth: Truth = { seq: 5, exists: true };
    const { catalog, redis } = await open(async () => truth);
    const era = await catalog.mark(REPO, 6);
    await world.server.cli('FLUSHALL');
    // A reader finds the state before that slot, and records it.
    expect(await listed(catalog)).toEqual([REPO]);
    truth = GONE;
    await catalog.settle(REPO, 6, false, era);
    expect(await listed(catalog)).toEqual([]);
    await redis.close();
  });

  test('of a slot that another node had applied, does not list a repository that was deleted in the meantime', async () => {
    const [a, b] = [await world.node(), await world.node()];
    let isInterrupted = false;
    a.redis.before = async (script) => {
      if (script !== 'catalog-settle' || isInterrupted) return;
      isInterrupted = true;
      await b.projection.submit(REPO, { needs: {}, decide: () => accept(undefined, { type: 'repo.deleted' }) });
      // The first listing of the markers discards earlier updates of the catalog, and is interrupted.
      b.redis.before = (next) => {
        if (next === 'catalog-list') throw new RedisGone('it is slow');
      };
      expect((await b.projection.repositories(undefined, 10)).items).toEqual([]);
      b.redis.before = () => {};
      throw new RedisGone('the reply is lost');
    };
    await a.projection.submit(REPO, setTags('first'));
    expect(isInterrupted).toBe(true);
    expect((await b.projection.repositories(undefined, 10)).items).toEqual([]);
  });

  test('is applied if Redis lost nothing', async () => {
    await world.driver.create(markerKey(REPO), new Uint8Array());
    let looks = 0;
    const { catalog, redis } = await open(async () => {
      looks++;
      return { seq: 5, exists: true };
    });
    expect(await listed(catalog)).toEqual([REPO]);
    const era = await catalog.mark(REPO, 6);
    await catalog.settle(REPO, 6, false, era);
    expect(await listed(catalog)).toEqual([]);
    await catalog.settle(REPO, 7, true, await catalog.mark(REPO, 7));
    expect([await listed(catalog), looks]).toEqual([[REPO], 1]);
    await redis.close();
  });
});

test('a listing that fails in the background is reported once, until one succeeds', async () => {
  const { driver, store, server } = world;
  const redis = await connect(server.url);
  const failures: unknown[] = [];
  let isDown = true;
  const failing: StoreReader = {
    kind: driver.kind,
    read: (key) => driver.read(key),
    open: (key) => driver.open(key),
    head: (key) => driver.head(key),
    async *list(prefix, after) {
      if (isDown) throw new Error('the store is down');
      yield* driver.list(prefix, after);
    },
  };
  const catalog = new Catalog({
    ...{ redis, store, driver: failing, newId: ulid, look: async () => THERE, malformed: raise },
    listingFailed: (error) => failures.push(error),
  });
  const lookUp = async (): Promise<void> => {
    expect(await catalog.lacks(REPO)).toBe(false);
    // The listing goes on in the background; a page waits for it or repeats it.
    const page = await catalog.page(undefined, 10).catch(String);
    if (isDown) expect(page).toBe('Error: the store is down');
  };
  await lookUp();
  await lookUp();
  expect(failures).toEqual([new Error('the store is down')]);
  isDown = false;
  await lookUp();
  expect(await catalog.lacks(REPO)).toBe(true);
  await server.cli('FLUSHALL');
  isDown = true;
  await lookUp();
  expect(failures.length).toBe(2);
  await redis.close();
});
