// How cost grows with nodes, tags, repositories and pushes. These works have no bars; docs/scaling.md shows their numbers.
import type { Load, Target } from '../loadgen.ts';
import type { Registry } from '../peers/peer.ts';
import { processorSeconds } from '../processes.ts';
import { bytesOf, digestOf, MANIFEST_TYPE, pushBlob, pushImage } from '../registry.ts';
import type { Context, Work } from '../work.ts';
import { each } from './cluster-limits.ts';
import { type MarinaCluster, withCluster } from './cluster-servers.ts';
import { type Point, rowsOf } from './curves.ts';
import { tagsOf } from './tags.ts';

const CONNECTIONS = 32;
const READS = 60_000;
const READS_QUICK = 12_000;
const LAYER = bytesOf('curves', 1024);
const CONFIG = bytesOf('config of the curves', 200);

function first({ nodes }: MarinaCluster): Registry {
  const [node] = nodes;
  if (node === undefined) throw new Error('there is no node');
  return node;
}

/** CPU time by role during some work, in microseconds per operation. */
async function spent<T extends { count: number }>(
  { services, nodes }: MarinaCluster,
  work: () => Promise<T>,
): Promise<{ result: T; node: number; redis: number; minio: number }> {
  const pids = { redis: services.redis.pid, minio: services.minio.pid };
  const now = () => ({
    node: nodes.reduce((sum, { child }) => sum + processorSeconds(child.pid), 0),
    redis: processorSeconds(pids.redis),
    minio: processorSeconds(pids.minio),
  });
  const before = now();
  const result = await work();
  const after = now();
  const each = (name: keyof typeof before): number => ((after[name] - before[name]) * 1e6) / result.count;
  return { result, node: each('node'), redis: each('redis'), minio: each('minio') };
}

/** Reads from all nodes concurrently. CPU time is comparable even on a shared machine. */
async function readAll({ loadgen, settings }: Context, { nodes }: MarinaCluster, targets: readonly Target[]) {
  const requests = Math.ceil((settings.quick ? READS_QUICK : READS) / nodes.length);
  const order = { mode: 'fixed', targets, connections: CONNECTIONS, requests } as const;
  const loads = await Promise.all(nodes.map(({ address }) => loadgen.run(address, order)));
  const count = loads.reduce((sum, load) => sum + load.count, 0);
  return { count, seconds: Math.max(...loads.map(({ seconds }) => seconds)), loads };
}

function manifestOf(repository: string, tag: string, bytes: number): Target {
  return { method: 'GET', path: `/v2/${repository}/manifests/${tag}`, accept: MANIFEST_TYPE, bytes };
}

/** Pushes images of one small layer each by concurrent clients. */
async function pushThem(
  { loadgen, settings }: Context,
  address: string,
  repositories: readonly string[],
  connections: number,
  seed: string,
): Promise<Load> {
  for (const repository of repositories) await pushBlob(address, repository, CONFIG);
  return await loadgen.run(address, {
    ...{ mode: 'push', repositories, layerBytes: 4096, connections, seed },
    ...{ configDigest: digestOf(CONFIG), configBytes: CONFIG.length, seconds: 2 * settings.seconds },
  });
}

/** Clients of all nodes push to one repository. Its log accepts one slot at a time from any node, so the nodes compete. */
async function crowd(context: Context, { nodes }: MarinaCluster): Promise<{ rate: number; slots: number }> {
  const before = await Promise.all(nodes.map(slotsOf));
  const connections = CONNECTIONS / nodes.length;
  const loads = await Promise.all(
    nodes.map(({ address }, n) => pushThem(context, address, ['team/crowd'], connections, `crowd-${n}`)),
  );
  const after = await Promise.all(nodes.map(slotsOf));
  const images = loads.reduce((sum, { count }) => sum + count, 0);
  const slots = after.reduce((sum, count, n) => sum + count - (before[n] ?? 0), 0);
  return { rate: loads.reduce((sum, { count, seconds }) => sum + count / seconds, 0), slots: slots / images };
}

const nodesWork: Work = {
  name: 'cluster-nodes',
  about: 'GET manifest by tag, and image pushes into one repository, at 1, 2 and 4 nodes at once',
  cluster: true,
  long: true,
  run: async (context) => {
    const points: Point[] = [];
    for (const count of [1, 2, 4]) {
      points.push(
        await withCluster(context, count, async (cluster) => {
          const manifest = await pushImage(first(cluster).address, 'library/alpine', 'latest', [LAYER]);
          const targets = [manifestOf('library/alpine', 'latest', manifest.bytes.length)];
          await readAll(context, cluster, targets);
          const { result, ...cpu } = await spent(cluster, () => readAll(context, cluster, targets));
          const client = result.loads.reduce((sum, { busy, seconds }: Load) => sum + busy * seconds, 0);
          const rate = result.count / result.seconds;
          const { rate: pushes, slots } = await crowd(context, cluster);
          return { x: count, y: { rate, ...cpu, client: (client * 1e6) / result.count, pushes, slots } };
        }),
      );
    }
    return rowsOf('cluster-nodes', 'GET manifest by tag, # node(s)', 'requests/s', points, 'rate');
  },
};

async function usedMemory({ services }: MarinaCluster): Promise<number> {
  const info = await services.client.info('memory');
  return Number(/^used_memory:(\d+)/m.exec(info)?.[1]);
}

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return (performance.now() - begin) / 1000;
}

async function expectOk(url: string): Promise<void> {
  const response = await fetch(url);
  await response.arrayBuffer();
  if (response.status !== 200) throw new Error(`GET ${url}: status ${response.status}`);
}

const tagCurve: Work = {
  name: 'cluster-curve-tags',
  about: 'reads, first touch and memory of Redis for 100 to 100,000 tags of one repository',
  cluster: true,
  long: true,
  run: (context) =>
    withCluster(context, 1, async (cluster) => {
      const { address, plantTags } = first(cluster);
      const repository = 'team/builds';
      const points: Point[] = [];
      const manifest = await pushImage(address, repository, 'first', [LAYER]);
      const empty = await usedMemory(cluster);
      let planted = 0;
      for (const count of [100, 1_000, 10_000, 100_000]) {
        const all = tagsOf(count);
        const planting = await secondsOf(() => plantTags(repository, all.slice(planted), manifest));
        const memory = (await usedMemory(cluster)) - empty;
        const middle = all[count / 2] ?? '';
        const get = await spent(cluster, () =>
          readAll(context, cluster, [manifestOf(repository, middle, manifest.bytes.length)]),
        );
        const path = `/v2/${repository}/tags/list?n=100&last=${middle}`;
        const page = await spent(cluster, () => readAll(context, cluster, [{ method: 'GET', path, bytes: -1 }]));
        await cluster.services.client.flushall();
        const touch = await spent(cluster, async () => {
          return { count: 1, seconds: await secondsOf(() => expectOk(`http://${address}${path}`)) };
        });
        points.push({
          x: count,
          y: {
            get: get.result.count / get.result.seconds,
            page: page.result.count / page.result.seconds,
            ...{ getProcessor: get.node + get.redis, pageProcessor: page.node + page.redis },
            touch: touch.result.seconds,
            ...{ touchNode: touch.node / 1e6, touchRedis: touch.redis / 1e6, touchStore: touch.minio / 1e6 },
            bytesOfRedis: memory / count,
            microsecondsToSet: (planting * 1e6) / (count - planted),
          },
        });
        planted = count;
      }
      return rowsOf('cluster-curve-tags', 'first touch after FLUSHALL, # tags', 'seconds', points, 'touch');
    }),
};

const repositoryCurve: Work = {
  name: 'cluster-curve-repositories',
  about: 'reads, the catalog and memory of Redis for 10 to 3,000 repositories of one image',
  cluster: true,
  long: true,
  run: (context) =>
    withCluster(context, 1, async (cluster) => {
      const { address } = first(cluster);
      const points: Point[] = [];
      const name = (n: number): string => `group-${n % 10}/project-${n}`;
      const empty = await usedMemory(cluster);
      let made = 0;
      let size = 0;
      for (const count of [10, 100, 1_000, 3_000]) {
        await each(count - made, 8, async (n) => {
          size = (await pushImage(address, name(made + n), 'latest', [LAYER])).bytes.length;
        });
        const memory = (await usedMemory(cluster)) - empty;
        const targets = Array.from({ length: count }, (_, n) => manifestOf(name(n), 'latest', size));
        await readAll(context, cluster, targets);
        const get = await spent(cluster, () => readAll(context, cluster, targets));
        const path = '/v2/_catalog?n=100';
        const catalog = await spent(cluster, () => readAll(context, cluster, [{ method: 'GET', path, bytes: -1 }]));
        points.push({
          x: count,
          y: {
            get: get.result.count / get.result.seconds,
            catalog: catalog.result.count / catalog.result.seconds,
            ...{ getProcessor: get.node + get.redis, catalogProcessor: catalog.node + catalog.redis },
            bytesOfRedis: memory / count,
          },
        });
        made = count;
      }
      return rowsOf('cluster-curve-repositories', 'GET manifest by tag, # repositories', 'requests/s', points, 'get');
    }),
};

async function metricsOf({ address }: Registry): Promise<string> {
  return await (await fetch(`http://${address}/metrics`)).text();
}

/** The number of slots that a node wrote. */
async function slotsOf(node: Registry): Promise<number> {
  return Number(/^marina_log_append_events_count (\d+)$/m.exec(await metricsOf(node))?.[1] ?? 0);
}

/** A node's own counts of its requests to the store, by S3 operation. */
async function requestsOf(node: Registry): Promise<Record<string, number>> {
  const text = await metricsOf(node);
  const found: Record<string, number> = {};
  for (const [, name = '', count] of text.matchAll(/^marina_storage_requests_total{operation="(\w+)"[^}]*} (\d+)/gm)) {
    found[name] = (found[name] ?? 0) + Number(count);
  }
  return found;
}

const pushCurve: Work = {
  name: 'cluster-curve-pushes',
  about: 'image pushes by 1 to 64 clients: rate, processor time and requests to S3',
  cluster: true,
  long: true,
  run: (context) =>
    withCluster(context, 1, async (cluster) => {
      const node = first(cluster);
      const points: Point[] = [];
      await pushThem(context, node.address, ['team/service'], CONNECTIONS, 'warm-up');
      for (const connections of [1, 4, 16, 64]) {
        const before = await requestsOf(node);
        const memoryBefore = await usedMemory(cluster);
        const { result, ...cpu } = await spent(cluster, () =>
          pushThem(context, node.address, ['team/service'], connections, `pushes-${connections}`),
        );
        const after = await requestsOf(node);
        const a = (name: string): number => ((after[name] ?? 0) - (before[name] ?? 0)) / result.count;
        const y = {
          rate: result.count / result.seconds,
          p50: result.p50ms,
          ...{ puts: a('PutObject'), gets: a('GetObject') },
        };
        const bytesOfRedis = ((await usedMemory(cluster)) - memoryBefore) / result.count;
        const { node: own, redis, minio } = cpu;
        const inMilliseconds = { node: own / 1000, redis: redis / 1000, store: minio / 1000 };
        points.push({ x: connections, y: { ...y, ...inMilliseconds, bytesOfRedis } });
      }
      return rowsOf('cluster-curve-pushes', 'image push, # client(s)', 'images/s', points, 'rate');
    }),
};

const MIBIBYTE = 1024 ** 2;

/** Pushes a layer: `patch` with POST, PATCH with all bytes and an empty PUT, like docker; `put` with POST and PUT with all bytes. */
async function pushLayer(address: string, bytes: Uint8Array<ArrayBuffer>, form: 'patch' | 'put'): Promise<void> {
  if (form === 'put') {
    await pushBlob(address, 'team/layers', bytes);
    return;
  }
  const begun = await fetch(`http://${address}/v2/team/layers/blobs/uploads/`, { method: 'POST' });
  const patched = await fetch(new URL(begun.headers.get('location') ?? '', begun.url), {
    method: 'PATCH',
    body: bytes,
  });
  const end = new URL(patched.headers.get('location') ?? '', patched.url);
  end.searchParams.set('digest', digestOf(bytes));
  const { status } = await fetch(end, { method: 'PUT' });
  if (status !== 201) throw new Error(`the layer was not taken: status ${status}`);
}

const S3_WRITES = ['PutObject', 'CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload'];
const S3_READS = ['GetObject', 'HeadObject'];

const layerCurve: Work = {
  name: 'cluster-curve-layers',
  about: 'requests to S3 for one layer of 4 KiB to 1 GiB, sent in one PUT or as docker does',
  cluster: true,
  long: true,
  run: (context) =>
    withCluster(context, 1, async (cluster) => {
      const node = first(cluster);
      const points: Point[] = [];
      // The first push creates the repository.
      await pushLayer(node.address, bytesOf('first', 64), 'put');
      for (const bytes of [4096, MIBIBYTE, 16 * MIBIBYTE, 100 * MIBIBYTE, 1024 * MIBIBYTE]) {
        const y: Record<string, number> = {};
        for (const form of ['put', 'patch'] as const) {
          const layer = new Uint8Array(bytes);
          layer.set(bytesOf(`${form} ${bytes}`, 64));
          const before = await requestsOf(node);
          await pushLayer(node.address, layer, form);
          const after = await requestsOf(node);
          const of = (names: string[]): number =>
            names.reduce((sum, name) => sum + (after[name] ?? 0) - (before[name] ?? 0), 0);
          y[`${form}Writes`] = of(S3_WRITES);
          y[`${form}Reads`] = of(S3_READS);
        }
        points.push({ x: bytes / MIBIBYTE, y });
      }
      return rowsOf(
        'cluster-curve-layers',
        'S3 writes for a layer of # MiB (docker)',
        'requests',
        points,
        'patchWrites',
      );
    }),
};

export const curveWorks: Work[] = [nodesWork, tagCurve, repositoryCurve, pushCurve, layerCurve];
