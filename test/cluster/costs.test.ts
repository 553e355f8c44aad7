// What requests cost in round trips to Redis and requests to the store, counted by the node and by Redis itself.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Cluster, startCluster, stopClusters } from '../support/cluster.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, type Image, image, pushImage, randomBlob } from '../support/oci.ts';

const SMALL = 3_000;
let cluster: Cluster;
const pushed: Image = image({ layers: [randomBlob(SMALL)] });

beforeAll(async () => {
  // Each thread has a connection and notes of its own.
  cluster = await startCluster({ nodes: 1, workers: 0, balancer: false, env: { THREADS: '1' } });
  await pushImage(cluster.url, 'team/app', pushed, 'v1');
  await untilNoted('team/app', 'v1');
}, TOOLS_WITHIN_MS);
afterAll(stopClusters);

/** What the node does beside the work is unlikely to come in each of so many rounds. */
const ROUNDS = 5;
/** The feed of changes writes a note after the pushes of a second. */
const MAX_NOTES = 4;

/** Waits until the feed has the push of a tag, and nothing is left to note. */
async function untilNoted(repo: string, tag: string): Promise<void> {
  const address = `${cluster.url}/api/v1/changes?since=beginning&type=tag.set&repository=${repo}&limit=1000`;
  await eventually(async () => {
    const { bytes } = await expectStatus(200, address);
    const { changes }: { readonly changes: readonly { tag: string }[] } = JSON.parse(new TextDecoder().decode(bytes));
    expect(changes.map((change) => change.tag)).toContain(tag);
  });
  await untilQuiet();
}

/** Waits until the node has nothing left to note. */
async function untilQuiet(): Promise<void> {
  await eventually(async () => {
    expect(await cluster.redis.cli('KEYS', '*:hints')).toBe('');
    // The node asks once more whether there are hints.
    const before = await countedByRedis();
    await Bun.sleep(300);
    expect(await countedByRedis()).toBe(before);
  });
}

interface Costs {
  /** Scripts that the node sent, by name. */
  scripts: Record<string, number>;
  /** Requests to the store, by S3 operation. */
  requests: Record<string, number>;
  /** Commands that Redis received. */
  commands: number;
}

async function countedByNode(): Promise<Omit<Costs, 'commands'>> {
  const { bytes } = await expectStatus(200, `${cluster.url}/metrics`);
  const metrics = new TextDecoder().decode(bytes);
  return {
    scripts: byLabel(metrics, 'marina_redis_seconds_count', 'script'),
    requests: byLabel(metrics, 'marina_storage_requests_total', 'operation'),
  };
}

async function countedByRedis(): Promise<number> {
  const stats = await cluster.redis.cli('INFO', 'commandstats');
  const calls = [...stats.matchAll(/^cmdstat_(?:evalsha|eval):calls=(\d+)/gm)];
  return calls.reduce((sum, [, count]) => sum + Number(count), 0);
}

function byLabel(metrics: string, name: string, label: string): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [, value = '', count] of metrics.matchAll(
    new RegExp(`^${name}{[^}]*${label}="([^"]+)"[^}]*} (\\d+)$`, 'gm'),
  )) {
    found[value] = (found[value] ?? 0) + Number(count);
  }
  return found;
}

/**
 * The costs of the work, which are as expected at least once in a while. The node also has work of its own, such as looking for hints of
 * other nodes, which can only add to them.
 */
async function expectCosts(work: () => Promise<unknown>, expected: (costs: Costs) => void): Promise<void> {
  for (let round = 1; ; round++) {
    const costs = await costOf(work);
    try {
      return expected(costs);
    } catch (fault) {
      if (round === ROUNDS) throw fault;
    }
    await untilQuiet();
  }
}

/** The costs of the work, without zeros. */
async function costOf(work: () => Promise<unknown>): Promise<Costs> {
  // Reading the metrics has costs of its own: it reads job counts from Redis, so Redis's own counts are read within, and the report
  // of the last collection from the store.
  const looked = await countedByNode();
  const before = await countedByNode();
  const looking = difference(looked.requests, before.requests);
  const commandsBefore = await countedByRedis();
  await work();
  const commands = (await countedByRedis()) - commandsBefore;
  const after = await countedByNode();
  return {
    commands,
    scripts: difference(before.scripts, after.scripts),
    requests: difference(looking, difference(before.requests, after.requests)),
  };
}

function difference(before: Record<string, number>, after: Record<string, number>): Record<string, number> {
  const rest = Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)] as const);
  return Object.fromEntries(rest.filter(([, count]) => count > 0));
}

const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((all, count) => all + count, 0);

const [config, layer] = pushed.blobs;
const { digest } = pushed.descriptor;
const reads = {
  'GET of a manifest by tag': ['GET', 'manifests/v1'],
  'HEAD of a manifest by tag': ['HEAD', 'manifests/v1'],
  'GET of a manifest by digest': ['GET', `manifests/${digest}`],
  'HEAD of a blob': ['HEAD', `blobs/${layer?.descriptor.digest}`],
  'GET of a small blob': ['GET', `blobs/${config?.descriptor.digest}`],
  'a page of tags': ['GET', 'tags/list?n=10'],
} as const;

for (const [name, [method, path]] of Object.entries(reads)) {
  test(`${name} takes one round trip to Redis, and none to the store once its bytes are cached`, async () => {
    const url = `${cluster.url}/v2/team/app/${path}`;
    await expectStatus(200, url, { method });
    await expectCosts(
      () => expectStatus(200, url, { method }),
      ({ scripts, requests, commands }) =>
        expect({ scripts: sum(scripts), commands, requests }).toEqual({ scripts: 1, commands: 1, requests: {} }),
    );
  });
}

test('concurrent reads of one repository share round trips', async () => {
  const url = `${cluster.url}/v2/team/app/manifests/v1`;
  await expectCosts(
    () => Promise.all(Array.from({ length: 64 }, () => expectStatus(200, url))),
    ({ scripts, commands }) => {
      expect(sum(scripts)).toBeLessThanOrEqual(32);
      expect(commands).toBe(sum(scripts));
    },
  );
});

test('a manifest of blobs that are there takes four round trips to Redis', async () => {
  const again = image({ layers: pushed.blobs.slice(1), annotations: { again: 'yes' } });
  const { scripts } = await costOf(() => pushImage(cluster.url, 'team/app', { ...again, blobs: [] }, 'again'));
  const { ask, announce, apply } = scripts;
  // What there is, before the bytes are stored; the same for the decision; the announcement of the slot; its changes.
  expect({ ask, announce, apply }).toEqual({ ask: 2, announce: 1, apply: 1 });
});

test('a push writes each blob and its hint, the manifest, and a slot for each', async () => {
  await expectCosts(
    () => pushImage(cluster.url, 'team/app', image(), 'alone'),
    ({ requests }) => {
      // Two blobs of two objects each, one manifest, and three slots, because no other client writes.
      const { PutObject = 0, ...others } = requests;
      expect(PutObject).toBeGreaterThanOrEqual(2 * 2 + 1 + 3);
      expect(PutObject).toBeLessThanOrEqual(2 * 2 + 1 + 3 + MAX_NOTES);
      expect(others).toEqual({ GetObject: 2 });
    },
  );
});

test('concurrent pushes take at most two writes for each blob and manifest, and share slots', async () => {
  const count = 32;
  const shared = image().blobs[0];
  if (shared === undefined) return expect.unreachable();
  await pushImage(cluster.url, 'team/busy', image({ config: shared }), 'first');
  await untilNoted('team/busy', 'first');
  const images = Array.from({ length: count }, () => image({ config: shared }));
  const { requests } = await costOf(() =>
    Promise.all(
      images.map((each, n) => pushImage(cluster.url, 'team/busy', { ...each, blobs: each.blobs.slice(1) }, `t${n}`)),
    ),
  );
  // The first image wrote three slots.
  const shares = (await newestSlot('team/busy')) - 3;
  expect((requests.PutObject ?? 0) - shares).toBeLessThanOrEqual(2 * 2 * count + MAX_NOTES);
  // A slot holds all waiting commands, so there are fewer than half as many slots as commands.
  expect(shares).toBeLessThan(count);
  expect(requests.HeadObject ?? 0).toBe(0);
});

test('/metrics answers while Redis and the store hang', async () => {
  cluster.redis.freeze();
  cluster.objects.process.kill('SIGSTOP');
  try {
    const { bytes } = await expectStatus(200, `${cluster.url}/metrics`, { signal: AbortSignal.timeout(10_000) });
    const metrics = new TextDecoder().decode(bytes);
    expect(metrics).toContain('marina_requests_total');
    expect(metrics).not.toMatch(/^marina_(jobs|collection_seconds)/m);
  } finally {
    cluster.objects.process.kill('SIGCONT');
    cluster.redis.thaw();
  }
});

/** According to the view in Redis. */
async function newestSlot(repository: string): Promise<number> {
  const key = await cluster.redis.cli('KEYS', `*:${repository}}:meta`);
  return Number(await cluster.redis.cli('HGET', key.trim(), 'seq'));
}
