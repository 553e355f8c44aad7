// A whole cluster of real processes on free ports: Redis, MinIO with a bucket, nodes, a worker and the sample balancer.
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Balancer, startBalancer, stopBalancers } from './balancer.ts';
import { ACCESS_KEY, type ObjectStore, SECRET_KEY, startMinio, stopObjectStores } from './minio.ts';
import { type RedisServer, startRedis, stopRedis } from './redis.ts';
import { expectNoSecrets } from './secrets.ts';
import { cleanUp, freePort, projectRoot, type Server, startServer, temporaryFolder } from './server.ts';
import { within } from './within.ts';

const bun = join(projectRoot, 'node_modules', '.bin', 'bun');
const READY_WITHIN_MS = 240_000;
const STOP_WITHIN_MS = 120_000;
const BUCKET = 'marina';

export interface Worker {
  readonly process: Bun.Subprocess;
  logs(): string;
  /** SIGTERM, then waits. @returns the exit code */
  stop(): Promise<number>;
  /** SIGKILL, then waits. */
  kill(): Promise<void>;
}

export interface ClusterOptions {
  /** Default 2. */
  readonly nodes?: number;
  /** Default 1. */
  readonly workers?: number;
  /** Default true. Without it `url` is the first node's. */
  readonly balancer?: boolean;
  /** Additional settings of nodes and workers; they override the cluster's own, such as S3_ENDPOINT for a proxy. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Cluster {
  /** What clients talk to. */
  readonly url: string;
  /** What they put before a repository's name. */
  readonly host: string;
  /** Their ports stay the same after a restart. */
  readonly nodes: readonly Server[];
  readonly workers: readonly Worker[];
  readonly redis: RedisServer;
  readonly objects: ObjectStore;
  readonly balancer: Balancer | undefined;
  /** Settings that make a process a part of this cluster. */
  readonly env: Readonly<Record<string, string>>;
  /** Starts a node that was stopped or killed, on its port, so that the balancer finds it again. */
  restart(node: number): Promise<Server>;
  /** Starts a worker beside the others. */
  addWorker(): Promise<Worker>;
  /** Stops Redis, if it still runs, and starts an empty one, or one that loads `folder`/dump.rdb, on the same port. */
  replaceRedis(folder?: string): Promise<RedisServer>;
}

const workersRunning = new Set<Worker>();

/** For afterAll: stops all clusters, nodes first. @throws Error if a node or a worker does not end cleanly */
export async function stopClusters(): Promise<void> {
  await stopBalancers();
  const codes = await Promise.all([...workersRunning].map(async (worker) => [await worker.stop(), worker] as const));
  try {
    // cleanUp removes their folders, so their logs are read first.
    const failed = codes.filter(([code]) => code !== 0).map(([code, worker]) => `exit code ${code}:\n${worker.logs()}`);
    if (failed.length > 0) throw new Error(`a worker did not end cleanly:\n${failed.join('\n')}`);
  } finally {
    // Redis and MinIO stop after the nodes, which still use them.
    await cleanUpServers();
  }
}

async function cleanUpServers(): Promise<void> {
  try {
    await cleanUp();
  } finally {
    await Promise.all([stopRedis(), stopObjectStores()]);
  }
}

/** Resolves once all processes are ready. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const [firstRedis, objects] = await Promise.all([startRedis(), startMinio()]);
  await objects.makeBucket(BUCKET);
  let redis = firstRedis;
  const env: Record<string, string> = {
    REDIS_URL: redis.url,
    STORAGE_DRIVER: 's3',
    S3_BUCKET: BUCKET,
    S3_ENDPOINT: objects.endpoint,
    S3_FORCE_PATH_STYLE: 'true',
    AWS_ACCESS_KEY_ID: ACCESS_KEY,
    AWS_SECRET_ACCESS_KEY: SECRET_KEY,
    TRUST_PROXY: 'loopback',
    ...options.env,
  };
  const startNode = (index: number, port: number): Promise<Server> =>
    startServer({ ...env, PORT: String(port), NODE_NAME: `node${index + 1}` });
  const nodes = await Promise.all(
    Array.from({ length: options.nodes ?? 2 }, (_, index) => startNode(index, freePort())),
  );
  const workers = await Promise.all(Array.from({ length: options.workers ?? 1 }, () => startWorker(env)));
  const [first] = nodes;
  if (first === undefined) throw new Error('a cluster has at least one node');
  const balancer = options.balancer === false ? undefined : await startBalancer(nodes.map(({ host }) => host));
  return {
    ...{ nodes, workers, objects, balancer, env },
    url: (balancer ?? first).url,
    host: (balancer ?? first).host,
    get redis() {
      return redis;
    },
    async restart(index) {
      const old = nodes[index];
      if (old === undefined) throw new Error(`there is no node ${index}`);
      const node = await startNode(index, old.port);
      nodes[index] = node;
      return node;
    },
    async addWorker() {
      const worker = await startWorker(env);
      workers.push(worker);
      return worker;
    },
    async replaceRedis(folder) {
      await redis.kill();
      redis = await startRedis({ port: redis.port, ...(folder === undefined ? {} : { folder }) });
      return redis;
    },
  };
}

/** A worker with these settings; `stopClusters` stops it, and checks its exit code. */
export async function startWorker(env: Readonly<Record<string, string>>): Promise<Worker> {
  const logPath = join(temporaryFolder('worker'), 'worker.log');
  const log = openSync(logPath, 'a');
  const subprocess = Bun.spawn([bun, 'workers/all.ts'], {
    cwd: projectRoot,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env },
    ...{ stdin: 'ignore', stdout: log, stderr: log },
  });
  closeSync(log);
  let ended: string | undefined;
  const logs = (): string => ended ?? readFileSync(logPath, 'utf8');
  const worker: Worker = {
    process: subprocess,
    logs,
    async stop() {
      subprocess.kill('SIGTERM');
      const code = await within(STOP_WITHIN_MS, subprocess.exited);
      if (code === undefined) await worker.kill();
      ended = logs();
      workersRunning.delete(worker);
      expectNoSecrets(ended, 'a worker');
      return code ?? -1;
    },
    async kill() {
      subprocess.kill('SIGKILL');
      await subprocess.exited;
      ended = logs();
      workersRunning.delete(worker);
    },
  };
  workersRunning.add(worker);
  const deadline = Date.now() + READY_WITHIN_MS;
  while (!logs().includes('a Marina worker is running')) {
    if (subprocess.exitCode !== null || Date.now() > deadline) {
      await worker.kill();
      throw new Error(`the worker did not become ready; its log:\n${logs()}`);
    }
    await Bun.sleep(20);
  }
  return worker;
}
