import { expect } from 'bun:test';
import { type Balancer, startBalancer } from '../support/balancer.ts';
import { startWorker, stopClusters, type Worker } from '../support/cluster.ts';
import type { Random } from '../support/drill/random.ts';
import { eventually } from '../support/eventually.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { ACCESS_KEY, SECRET_KEY } from '../support/minio.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { freePort, type Server, startServer } from '../support/server.ts';
import { DrillObjectStore } from './object-store.ts';

type Settings = Readonly<Record<string, string>>;

/** A node that is killed and restarted under the same address. */
export class DrillNode {
  readonly port = freePort();
  kills = 0;
  readonly #name: string;
  #server: Server | undefined;
  #earlier = '';

  constructor(name: string) {
    this.#name = name;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get isUp(): boolean {
    return this.#server !== undefined;
  }

  async start(settings: Settings): Promise<void> {
    this.#server ??= await startServer({ ...settings, PORT: String(this.port), NODE_NAME: this.#name });
  }

  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    this.kills++;
    await server.kill();
    this.#earlier += server.logs();
  }

  logs(): string {
    return this.#earlier + (this.#server?.logs() ?? '');
  }
}

/** A whole cluster of real processes, with fault proxies in front of the store and of Redis. */
export class Stack {
  readonly nodes: readonly DrillNode[];
  readonly store: DrillObjectStore;
  readonly storeProxy: FaultProxy;
  readonly redisProxy: FaultProxy;
  redis: RedisServer;
  #redisUrl: string;
  #balancer: Balancer | undefined;
  #worker: Worker | undefined;

  private constructor(
    nodes: readonly DrillNode[],
    store: DrillObjectStore,
    redis: RedisServer,
    proxies: readonly [FaultProxy, FaultProxy],
  ) {
    this.nodes = nodes;
    this.store = store;
    this.redis = redis;
    [this.storeProxy, this.redisProxy] = proxies;
    this.#redisUrl = this.ownRedis;
  }

  static async start(count: number, random: Random): Promise<Stack> {
    const store = await DrillObjectStore.start();
    const redis = await startRedis();
    const storeProxy = await FaultProxy.open(store.port, random.child('before the store'));
    const redisProxy = await FaultProxy.open(redis.port, random.child('before Redis'));
    const nodes = Array.from({ length: count }, (_, number) => new DrillNode(`node-${number + 1}`));
    const stack = new Stack(nodes, store, redis, [storeProxy, redisProxy]);
    await stack.#startAll();
    stack.#balancer = await startBalancer(nodes.map(({ port }) => `127.0.0.1:${port}`));
    return stack;
  }

  /** The Redis behind the proxy, which the drill stops and starts. */
  get ownRedis(): string {
    return `redis://127.0.0.1:${this.redisProxy.port}`;
  }

  get url(): string {
    if (this.#balancer === undefined) throw new Error('the balancer is not started yet');
    return this.#balancer.url;
  }

  get kills(): number {
    return this.nodes.reduce((sum, node) => sum + node.kills, 0);
  }

  get storeSettings(): { readonly endpoint: string; readonly bucket: string } {
    return { endpoint: `http://127.0.0.1:${this.store.port}`, bucket: this.store.bucket };
  }

  async #startAll(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.start(this.settings)));
    this.#worker = await startWorker({ ...this.settings, LOG_LEVEL: 'info' });
  }

  get settings(): Settings {
    return {
      STORAGE_DRIVER: 's3',
      S3_BUCKET: this.store.bucket,
      S3_ENDPOINT: `http://127.0.0.1:${this.storeProxy.port}`,
      S3_FORCE_PATH_STYLE: 'true',
      S3_PART_SIZE: '5MiB',
      AWS_ACCESS_KEY_ID: ACCESS_KEY,
      AWS_SECRET_ACCESS_KEY: SECRET_KEY,
      REDIS_URL: this.#redisUrl,
      LOG_LEVEL: 'warn',
    };
  }

  isUp(node: number): boolean {
    return this.nodes[node]?.isUp === true;
  }

  /** Logged errors that are defects, without those of other processes that did not answer. */
  complaints(): string[] {
    const lines = this.nodes.flatMap((node) => node.logs().split('\n'));
    return lines.filter((line) => /"level":(50|60)/.test(line) && !/"type":"(RegistryError|NoAnswer)"/.test(line));
  }

  /** Changes of nodes as the balancer saw them, and requests that failed. */
  balancerLog(): string {
    return this.#balancer?.logs() ?? '';
  }

  /** The logs of all nodes, each line with the node's number. */
  logs(): string {
    const lines = this.nodes.flatMap((node, index) =>
      node
        .logs()
        .split('\n')
        .map((line) => `${index + 1} ${line}`),
    );
    return lines.join('\n');
  }

  async restart(node: DrillNode): Promise<void> {
    await node.start(this.settings);
  }

  /** Restarts all nodes and the worker with another Redis. */
  async moveTo(redisUrl: string): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    await this.#worker?.kill();
    this.#redisUrl = redisUrl;
    await this.#startAll();
    // A balancer that has seen all nodes down refuses everything until its next check.
    await eventually(async () => expect((await fetch(`${this.url}/v2/`)).status).toBe(200));
  }

  async restartWorker(): Promise<void> {
    await this.#worker?.kill();
    this.#worker = await startWorker({ ...this.settings, LOG_LEVEL: 'info' });
  }

  /** Kills the nodes; `stopClusters` stops the rest, and checks how the worker ends. */
  async stop(): Promise<void> {
    for (const node of this.nodes) await node.kill();
    await stopClusters();
    await this.storeProxy.close();
    await this.redisProxy.close();
    await this.store.kill();
  }
}
