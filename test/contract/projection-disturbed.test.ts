// Random commands on several nodes with faults of Redis and of the nodes: no acknowledged write is lost, and every answer agrees
// with the log.
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
import { commandOf, FEW, type Operation, operations } from '../support/generators.ts';
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

type Fault =
  /** All keys of this store are lost. */
  | 'flush'
  /** As if another server had the keys: its owner is another one. */
  | 'other server'
  /** The next script of this node does not run, or runs and its reply is lost. */
  | 'lost request'
  | 'lost answer'
  /** The writer dies between `create` and `apply`. */
  | 'killed'
  /** A node without Redis writes. */
  | 'written behind'
  | 'none';

const faults: fc.Arbitrary<Fault> = fc.constantFrom(
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
    operation: operations,
    writer: fc.nat({ max: 1 }),
    fault: faults,
    /** The index of the affected script of the node. */
    when: fc.nat({ max: 5 }),
  }),
  { minLength: 3, maxLength: 15 },
);

/** Injects the fault into the store's keys or the next scripts of a node. */
async function inject(fault: Fault, when: number, { redis }: OpenNode, store: string): Promise<void> {
  let count = when;
  if (fault === 'lost request') {
    redis.before = () => {
      if (count-- === 0) throw new RedisGone('lost');
    };
  }
  if (fault === 'lost answer') {
    redis.after = () => {
      if (count-- === 0) throw new RedisGone('lost');
    };
  }
  if (fault === 'flush') {
    const keys = (await world.server.cli('KEYS', `{${store}*`)).split('\n').filter((key) => key !== '');
    if (keys.length > 0) await world.server.cli('DEL', ...keys);
  }
  if (fault === 'other server') {
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
  for (const { repo, operation, writer, fault, when } of some) {
    clock.advance(100);
    const node = nodes[writer] as OpenNode;
    await inject(fault, when, node, store);
    if (fault === 'written behind') {
      const behind = openProjection(driver, { clock, newId: () => ulid() as never });
      await behind
        .submit(
          repo,
          commandOf(operation, () => ulid() as never),
        )
        .catch(ignoreRefusals);
    }
    dies = fault === 'killed';
    acknowledgedLast.delete(repo);
    const id = ulid();
    // A unique tag shows that the write was acknowledged, whatever the operation does.
    const mark = `m${id}` as Tag;
    await node.projection
      .submit(
        repo,
        commandOf(operation, () => ulid() as never),
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
      // After an acknowledgement every node shows at least the acknowledged state.
      for (const other of nodes) {
        const page = await other.projection.tags(repo, undefined, 1000);
        expect(page.kind === 'known' ? page.value.items : []).toContain(mark);
      }
      for (const other of nodes) await compare(other, driver, repo);
      // Unacknowledged writes may show up later, including the existence of a repository.
      acknowledgedLast.add(repo);
      const listed = await catalogOf((nodes[1 - writer] ?? node).projection);
      const truth = await catalogOf(openProjection(driver));
      const isCertain = (name: string): boolean => acknowledgedLast.has(name as RepositoryName);
      expect(listed.filter(isCertain)).toEqual(truth.filter(isCertain));
    }
  }
  // Unfinished work is found in time.
  clock.advance(20 * 60_000);
  for (const node of nodes) for (const repo of REPOSITORIES.slice(0, 2)) await node.projection.tags(repo, undefined, 1);
  for (const node of nodes) for (const repo of REPOSITORIES.slice(0, 2)) await compare(node, driver, repo);
}

type Step = { repo: RepositoryName; operation: Operation; writer: number; fault: Fault; when: number };

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
