// Random commands on several nodes while Redis and the nodes come to harm: acknowledged is acknowledged, and every answer is
// that of the log.
import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { ulid } from 'ulid';
import { accept } from '../../src/journal/command.ts';
import { foldLog } from '../../src/journal/log.ts';
import { RegistryError } from '../../src/oci/errors.ts';
import type { RepositoryName, Tag } from '../../src/oci/names.ts';
import { RedisGone } from '../../src/projection/redis/commands.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { TestClock } from '../support/deterministic.ts';
import { commandOf, FEW, type Wish, wishes } from '../support/generators.ts';
import { openProjection, REPOSITORIES } from '../support/projections.ts';
import {
  catalogOf,
  connect,
  type OpenNode,
  openNode,
  redisWorld,
  type WatchedRedis,
} from '../support/redis-projections.ts';

const world = redisWorld();

type Harm =
  /** All keys of this store are gone. */
  | 'flush'
  /** Half of its keys are, as if another server had them: its owner is another one. */
  | 'other server'
  /** The next script that this node runs does not run, or runs and nobody hears of it. */
  | 'lost request'
  | 'lost answer'
  /** The writer dies between `create` and `apply`. */
  | 'killed'
  /** A node writes that has no Redis. */
  | 'written behind'
  | 'none';

const harms: fc.Arbitrary<Harm> = fc.constantFrom(
  ...([
    'none',
    'none',
    'none',
    'flush',
    'other server',
    'lost request',
    'lost answer',
    'killed',
    'written behind',
  ] as const),
);
const steps = fc.array(
  fc.record({
    repo: fc.constantFrom(...REPOSITORIES.slice(0, 2)),
    wish: wishes,
    writer: fc.nat({ max: 1 }),
    harm: harms,
    /** Which script of the node it strikes. */
    when: fc.nat({ max: 5 }),
  }),
  { minLength: 3, maxLength: 15 },
);

/** Does harm to the store's keys or to the next scripts of a node. */
async function doHarm(harm: Harm, when: number, { redis }: OpenNode, store: string): Promise<void> {
  let count = when;
  if (harm === 'lost request') {
    redis.before = () => {
      if (count-- === 0) throw new RedisGone('lost');
    };
  }
  if (harm === 'lost answer') {
    redis.after = () => {
      if (count-- === 0) throw new RedisGone('lost');
    };
  }
  if (harm === 'flush') {
    const keys = (await world.server.cli('KEYS', `{${store}*`)).split('\n').filter((key) => key !== '');
    if (keys.length > 0) await world.server.cli('DEL', ...keys);
  }
  if (harm === 'other server') {
    const metas = (await world.server.cli('KEYS', `{${store}*:meta`)).split('\n').filter((key) => key !== '');
    for (const key of metas) await world.server.cli('HSET', key, 'owner', 'other', 'begun', 'other');
  }
}

async function compare(node: OpenNode, driver: MemoryDriver, repo: RepositoryName): Promise<void> {
  const { projection } = node;
  const truth = openProjection(driver);
  const all = await truth.tags(repo, undefined, 100);
  expect(await projection.tags(repo, undefined, 100)).toEqual(all);
  for (const tag of FEW.tags) {
    expect(await projection.manifestByTag(repo, tag)).toEqual(await truth.manifestByTag(repo, tag));
  }
  for (const digest of FEW.blobs) expect(await projection.blob(repo, digest)).toEqual(await truth.blob(repo, digest));
  for (const digest of FEW.manifests) {
    for (const query of [{}, { artifactType: 'application/x.one' }]) {
      const expected = await truth.referrers(repo, digest, query, 9);
      expect(await projection.referrers(repo, digest, query, 9)).toEqual(expected);
    }
  }
}

async function play(connections: readonly WatchedRedis[], some: readonly Step[]): Promise<void> {
  const driver = new MemoryDriver();
  const clock = new TestClock();
  const store = ulid();
  let dies = false;
  const acknowledgedLast = new Set<RepositoryName>();
  const options = {
    ...{ store, now: clock.now },
    sleep: async (milliseconds: number) => {
      await clock.sleep(milliseconds);
      await Bun.sleep(1);
    },
    reach: () => {
      if (dies) throw new Error('killed');
    },
  };
  const nodes = await Promise.all(connections.map((redis) => openNode(redis, driver, options)));
  for (const { repo, wish, writer, harm, when } of some) {
    clock.advance(100);
    const node = nodes[writer] as OpenNode;
    await doHarm(harm, when, node, store);
    if (harm === 'written behind') {
      const behind = openProjection(driver, { clock, newId: () => ulid() as never });
      await behind
        .submit(
          repo,
          commandOf(wish, () => ulid() as never),
        )
        .catch(ignoreRefusals);
    }
    dies = harm === 'killed';
    acknowledgedLast.delete(repo);
    const id = ulid();
    // A tag of its own shows what was acknowledged, whatever else the wish comes to.
    const mark = `m${id}` as Tag;
    await node.projection
      .submit(
        repo,
        commandOf(wish, () => ulid() as never),
      )
      .catch(ignoreRefusals);
    const acknowledged = await node.projection
      .submit(repo, { decide: () => accept(true, { type: 'tag.set', tag: mark, digest: FEW.manifests[0] as never }) })
      .catch(ignoreRefusals);
    dies = false;
    for (const each of connections) each.before = each.after = () => {};
    if (acknowledged === true) {
      const { state } = await foldLog(driver, repo);
      expect(state.tag(mark)).toBe(FEW.manifests[0] as never);
      // From an acknowledgement on every node shows at least what was there then.
      for (const other of nodes) {
        const page = await other.projection.tags(repo, undefined, 1000);
        expect(page.kind === 'known' ? page.value.items : []).toContain(mark);
      }
      for (const other of nodes) await compare(other, driver, repo);
      // What was not acknowledged may show up a little later, the existence of a repository too.
      acknowledgedLast.add(repo);
      const listed = await catalogOf((nodes[1 - writer] ?? node).projection);
      const truth = await catalogOf(openProjection(driver));
      const isSure = (name: string): boolean => acknowledgedLast.has(name as RepositoryName);
      expect(listed.filter(isSure)).toEqual(truth.filter(isSure));
    }
  }
  // Whatever was left undone is found in time.
  clock.advance(20 * 60_000);
  for (const node of nodes) for (const repo of REPOSITORIES.slice(0, 2)) await node.projection.tags(repo, undefined, 1);
  for (const node of nodes) for (const repo of REPOSITORIES.slice(0, 2)) await compare(node, driver, repo);
}

type Step = { repo: RepositoryName; wish: Wish; writer: number; harm: Harm; when: number };

function ignoreRefusals(error: unknown): void {
  if (error instanceof RegistryError || (error instanceof Error && error.message === 'killed')) return;
  throw error;
}

test('an acknowledged write is served by every node, whatever happens to Redis', async () => {
  const connections = [await connect(world.server.url), await connect(world.server.url)];
  try {
    await fc.assert(
      fc.asyncProperty(steps, (some) => play(connections, some)),
      { numRuns: 60 },
    );
  } finally {
    for (const each of connections) await each.close();
  }
});
