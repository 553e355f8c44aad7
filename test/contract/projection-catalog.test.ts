// The catalog in Redis, when what somebody learned of a repository comes late: Redis forgot everything since, and was filled again.
import { describe, expect, test } from 'bun:test';
import { ulid } from 'ulid';
import { accept } from '../../src/journal/command.ts';
import type { RepositoryName } from '../../src/oci/names.ts';
import { Catalog } from '../../src/projection/redis/catalog.ts';
import { RedisGone } from '../../src/projection/redis/commands.ts';
import { markerKey } from '../../src/storage/paths.ts';
import { connect, redisWorld, type WatchedRedis } from '../support/redis-projections.ts';
import { REPO } from '../support/slots.ts';
import { setTags } from '../support/writers.ts';

const world = redisWorld();

/** What the log says of the repository. */
interface Truth {
  readonly seq: number;
  readonly exists: boolean;
}

/** A node's catalog. @param look what it finds out when it looks at the repository itself */
async function open(look: () => Promise<Truth>): Promise<{ catalog: Catalog; redis: WatchedRedis }> {
  const { driver, store, server } = world;
  const redis = await connect(server.url);
  return { redis, catalog: new Catalog({ redis, store, driver, newId: ulid, look, malformed: raise }) };
}

function raise(error: Error): never {
  throw error;
}

async function listed(catalog: Catalog): Promise<readonly RepositoryName[]> {
  return (await catalog.page(undefined, 10)).items;
}

/**
 * Something is under way when Redis forgets everything; it comes after another node has listed the markers, and before
 * that node has looked at any repository.
 * @param begin what it does before, and gives what it does late
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
  const seen = await listed(other.catalog);
  await one.redis.close();
  await other.redis.close();
  return seen;
}

const THERE: Truth = { seq: 6, exists: true };
const GONE: Truth = { seq: 6, exists: false };

describe('an update that was learned before Redis lost everything, and is sent after it', () => {
  test('by a writer, does not hide a repository that was recreated in the meantime', async () => {
    const seen = await late(THERE, async (catalog) => {
      const era = await catalog.mark(REPO, 5);
      return () => catalog.settle(REPO, 5, false, era);
    });
    expect(seen).toEqual([REPO]);
  });

  test('by a writer, does not list a repository that was deleted in the meantime', async () => {
    const seen = await late(GONE, async (catalog) => {
      const era = await catalog.mark(REPO, 5);
      return () => catalog.settle(REPO, 5, true, era);
    });
    expect(seen).toEqual([]);
  });

  for (const [truth, says] of [
    [THERE, false],
    [GONE, true],
  ] as const) {
    test(`by a reader, is ignored: ${says ? 'deleted' : 'recreated'} in the meantime`, async () => {
      const seen = await late(truth, async (catalog) => {
        // Who was about to write that slot never did: it has to be looked at.
        await catalog.mark(REPO, 7);
        const asked = Promise.withResolvers<void>();
        const answer = Promise.withResolvers<Truth>();
        const reader = await open(() => {
          asked.resolve();
          return answer.promise;
        });
        const page = listed(reader.catalog);
        await Promise.race([asked.promise, page]);
        return async () => {
          answer.resolve({ seq: 5, exists: says });
          await page;
          await reader.redis.close();
        };
      });
      expect(seen).toEqual(truth.exists ? [REPO] : []);
    });
  }

  test('causes a new look at the repository, because it may be the latest event', async () => {
    await world.driver.create(markerKey(REPO), new Uint8Array());
    let truth: Truth = { seq: 5, exists: true };
    const { catalog, redis } = await open(async () => truth);
    const era = await catalog.mark(REPO, 6);
    await world.server.cli('FLUSHALL');
    // A reader finds it as it was before, and believes that.
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
      // The first listing of the markers discards what the catalog was told before, and is interrupted.
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

  test('is applied where nothing was lost', async () => {
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
