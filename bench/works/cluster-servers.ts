// A cluster of each registry on the same MinIO and Redis, with two nodes, of which one is measured, and Marina's worker.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { S3Client } from 'bun';
import { onServices, startDistribution } from '../peers/distribution.ts';
import { launchWorker, startMarina } from '../peers/marina.ts';
import type { Registry } from '../peers/peer.ts';
import { type Services, startServices } from '../peers/services.ts';
import type { Context } from '../work.ts';
import { type Pair, profiler, type Stage } from './servers.ts';

/** Longer than any run. */
const PRESIGNED_SECONDS = 86_400;

export interface MarinaCluster {
  services: Services;
  /** The first node is measured. */
  nodes: Registry[];
}

/** Settings of the bucket and of Redis for a node. */
export function settingsOf(
  { minioAddress, redisAddress, credentials }: Services,
  bucket: string,
): Record<string, string> {
  return {
    STORAGE_DRIVER: 's3',
    S3_BUCKET: bucket,
    S3_ENDPOINT: `http://${minioAddress}`,
    S3_FORCE_PATH_STYLE: 'true',
    AWS_ACCESS_KEY_ID: credentials.user,
    AWS_SECRET_ACCESS_KEY: credentials.password,
    REDIS_URL: `redis://${redisAddress}/0`,
  };
}

function helpersOf({ minio, redis }: Services): Record<string, number> {
  return { minio: minio.pid, redis: redis.pid };
}

/** @throws Error if Marina's bucket does not have exactly one blob of this size */
async function presign({ minioAddress, credentials }: Services, bytes: number): Promise<string> {
  const bucket = new S3Client({
    ...{ endpoint: `http://${minioAddress}`, bucket: 'marina', region: 'us-east-1' },
    ...{ accessKeyId: credentials.user, secretAccessKey: credentials.password },
  });
  const { contents = [] } = await bucket.list({ prefix: 'data/' });
  const [object, ...others] = contents.filter(({ size }) => size === bytes);
  if (object === undefined || others.length > 0) throw new Error(`the bucket has not one object of ${bytes} bytes`);
  return bucket.presign(object.key, { expiresIn: PRESIGNED_SECONDS });
}

async function stopAll(registries: readonly Registry[]): Promise<void> {
  await Promise.all(registries.map(({ child }) => child.stop()));
}

/**
 * Runs a task with that many nodes of Marina on an empty bucket, and stops everything afterwards.
 * @param bulky removes the folder immediately: few files, but many bytes
 * @param more further settings of Marina
 */
export async function withCluster<T>(
  context: Context,
  nodes: number,
  task: (cluster: MarinaCluster) => Promise<T>,
  bulky = false,
  more: Readonly<Record<string, string>> = {},
): Promise<T> {
  const { place, tools, settings } = context;
  if (tools.services === undefined) throw new Error('this run was started without MinIO and Redis');
  const folder = place.folder('cluster');
  const services = await startServices(place, tools.services, folder);
  const started: Registry[] = [];
  try {
    const data = services.bucket('marina');
    const cluster = { ...settingsOf(services, 'marina'), ...more };
    for (let n = 1; n <= nodes; n += 1) {
      const flags = n === 1 ? profiler(settings) : [];
      const named = { ...cluster, NODE_NAME: `node-${n}` };
      const node = await startMarina(place, data, join(folder, `marina-${n}.log`), { flags, cluster: named });
      started.push({ ...node, helpers: helpersOf(services) });
    }
    const worker = launchWorker(place, join(folder, 'worker.log'), cluster);
    try {
      return await task({ services, nodes: started });
    } finally {
      await worker.stop();
    }
  } finally {
    await stopAll(started);
    await services.stop();
    if (bulky) rmSync(folder, { recursive: true, force: true });
  }
}

/** Two nodes of each registry, on the same services. */
async function withPair<T>(
  context: Context,
  task: (pair: Pair) => Promise<T>,
  bulky = false,
  more: Readonly<Record<string, string>> = {},
): Promise<T> {
  const run = async ({ services, nodes }: MarinaCluster): Promise<T> => {
    const { place, tools } = context;
    const [marina] = nodes;
    if (marina === undefined) throw new Error('there is no node');
    const data = services.bucket('distribution');
    const where = onServices(services, 'distribution');
    const folder = place.folder('distribution');
    const peers: Registry[] = [];
    try {
      for (const n of [1, 2]) {
        peers.push(await startDistribution(place, tools.distribution, data, join(folder, `${n}.log`), where));
      }
      const [first] = peers;
      if (first === undefined) throw new Error('there is no node of distribution');
      return await task({
        marina,
        distribution: { ...first, helpers: helpersOf(services) },
        presign: (bytes) => presign(services, bytes),
      });
    } finally {
      await stopAll(peers);
    }
  };
  return withCluster(context, 2, run, bulky, more);
}

export const CLUSTER: Stage = {
  prefix: 'cluster-',
  suffix: ' (cluster)',
  cluster: true,
  keepsCopies: true,
  withPair: (context, task, bulky) => withPair(context, task, bulky),
};

/** Nodes without a blob cache, so that every pull is like the first one through a node. */
export const WITHOUT_COPIES: Stage = {
  prefix: 'cluster-first-',
  suffix: ' (cluster, no copy on the node)',
  cluster: true,
  keepsCopies: false,
  withPair: (context, task, bulky) => withPair(context, task, bulky, { BLOB_CACHE_SIZE: '0' }),
};
