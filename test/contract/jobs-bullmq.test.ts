import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { Queue } from 'bullmq';
import { prefixOf } from '../../src/jobs/bullmq/connection.ts';
import type { BullQueuePorts } from '../../src/jobs/bullmq/queue.ts';
import type { Job } from '../../src/jobs/job.ts';
import type { JobRun } from '../../src/jobs/queue.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { jobConnection, openBullQueue, openBullWorkers } from '../support/jobs.ts';
import { type RedisServer, startRedis, stopRedis } from '../support/redis.ts';
import { cleanUp, freePort, projectRoot } from '../support/server.ts';
import { jobsContract, snapshotOf } from './jobs.contract.ts';

/** A busy machine may stop a worker that lives for a second. */
const LOST_AFTER_MS = 4_000;

let redis: RedisServer;
let cluster: RedisServer;
let stores = 0;
const nextStore = (): string => `store${++stores}`;

beforeAll(async () => {
  redis = await startRedis();
  cluster = await startCluster();
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await stopRedis();
  await cleanUp();
});
/** Closes what the tests below have opened. */
const closing: (() => Promise<void>)[] = [];

/** A Cluster of one node. Like any Cluster it refuses a script whose keys belong to several slots. */
async function startCluster(): Promise<RedisServer> {
  const server = await startRedis({
    settings: [
      ['cluster-enabled', 'yes'],
      ['cluster-port', String(freePort())],
      ['cluster-announce-ip', '127.0.0.1'],
    ],
  });
  await server.cli('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
  await eventually(async () => expect(await server.cli('CLUSTER', 'INFO')).toContain('cluster_state:ok'));
  return server;
}

const addresses = {
  'one Redis': () => redis.url,
  'a Redis Cluster': () => cluster.url.replace('redis:', 'redis+cluster:'),
};

for (const [name, url] of Object.entries(addresses)) {
  jobsContract(`on ${name}`, async (under) => {
    const store = nextStore();
    const { queue, troubles } = openBullQueue(url(), store);
    const workers = openBullWorkers(url(), store, { ...under, onError: (error) => troubles.push(error) });
    const stop = async () => {
      await workers.close();
      await queue.close();
      expect(troubles).toEqual([]);
    };
    return { queue, stop };
  });
}

function openQueue(url = redis.url, ports: Partial<BullQueuePorts> = {}) {
  const store = nextStore();
  const opened = openBullQueue(url, store, ports);
  closing.push(() => opened.queue.close());
  return { ...opened, store };
}

/** A worker whose jobs end at once, unless `run` says otherwise. */
function openWorker(
  store: string,
  url = redis.url,
  run: (job: Job, signal: AbortSignal) => Promise<void> = async () => {},
) {
  const runs: JobRun[] = [];
  const troubles: unknown[] = [];
  const workers = openBullWorkers(url, store, {
    run,
    ended: (each) => runs.push(each),
    onError: (error) => troubles.push(error),
    lostAfter: LOST_AFTER_MS,
  });
  closing.push(() => workers.close());
  return { workers, runs, troubles };
}

describe('a worker', () => {
  /** A process that begins a job and never ends it. */
  async function victimOf(store: string): Promise<{ begun: () => Promise<string>; kill: () => Promise<void> }> {
    const bun = join(projectRoot, 'node_modules', '.bin', 'bun');
    const subprocess = Bun.spawn([bun, 'test/support/job-worker.ts', redis.url, store, String(LOST_AFTER_MS)], {
      cwd: projectRoot,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'inherit',
    });
    const reader = subprocess.stdout.getReader();
    const kill = async () => {
      subprocess.kill('SIGKILL');
      await subprocess.exited;
    };
    closing.push(kill);
    return { begun: async () => new TextDecoder().decode((await reader.read()).value).trim(), kill };
  }

  test('that is killed during a job leaves it to another worker', async () => {
    const { queue, store } = openQueue();
    await queue.enqueue(snapshotOf('a'));
    const victim = await victimOf(store);
    expect(JSON.parse(await victim.begun())).toEqual(snapshotOf('a'));
    const { runs } = openWorker(store);
    // While it lives it keeps the job, however long that takes.
    await Bun.sleep(1.5 * LOST_AFTER_MS);
    expect(runs).toEqual([]);
    await victim.kill();
    await eventually(() => expect(runs).toMatchObject([{ key: 'snapshot:a', outcome: 'done' }]));
    expect(await queue.enqueue(snapshotOf('a'))).toBe(true);
    await eventually(() => expect(runs).toHaveLength(2));
  });

  test('that stops releases its job: another worker runs it at once, and no attempt is used up', async () => {
    const { queue, store } = openQueue();
    await queue.enqueue(snapshotOf('a'));
    const begun = Promise.withResolvers<void>();
    const first = openWorker(store, redis.url, (_, signal) => {
      begun.resolve();
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    await begun.promise;
    await first.workers.close();
    expect(first.runs.map(({ outcome }) => outcome)).toEqual(['stopped']);
    expect(await queue.counts()).toContainEqual(expect.objectContaining({ kind: 'snapshot', waiting: 1, active: 0 }));
    const { runs } = openWorker(store);
    await eventually(() => expect(runs).toMatchObject([{ outcome: 'done', attempt: 1 }]));
  });

  test('keeps a job of an unknown kind, and does not run it', async () => {
    const { queue, store } = openQueue();
    const connection = jobConnection(redis.url, 'ask');
    const other = new Queue('snapshot', { connection, prefix: prefixOf(store) });
    await other.waitUntilReady();
    await other.add('snapshot', { kind: 'snapshot', newer: 'payload' }, { attempts: 3 });
    const { runs } = openWorker(store);
    await eventually(() => expect(runs).toMatchObject([{ outcome: 'failed', attempt: 1, isDead: true }]));
    // The run is reported before the dead letter is stored.
    await eventually(async () => expect(await queue.deadLetters(10)).toHaveLength(1));
    const [letter] = await queue.deadLetters(10);
    expect(letter).toMatchObject({ payload: { kind: 'snapshot', newer: 'payload' }, attempts: 1 });
    expect(letter?.reason).toContain('does not know this job');
    expect(await queue.retry(letter?.id ?? '')).toBe(false);
    await other.close();
    connection.disconnect();
  });
});

describe('when Redis', () => {
  test('loses everything, schedules continue and requested jobs run', async () => {
    const server = await startRedis();
    const { queue, store } = openQueue(server.url);
    const { runs } = openWorker(store, server.url);
    await queue.schedule('expire-uploads', 300);
    await eventually(() => expect(runs.length).toBeGreaterThanOrEqual(2));
    await server.cli('FLUSHALL');
    const { length } = runs;
    await eventually(() => expect(runs.length).toBeGreaterThanOrEqual(length + 3));
    expect(await queue.enqueue(snapshotOf('a'))).toBe(true);
    await eventually(() =>
      expect(runs).toContainEqual(expect.objectContaining({ key: 'snapshot:a', outcome: 'done' })),
    );
  });

  test('is down, no call waits for long, and everything continues once it is back, empty', async () => {
    const server = await startRedis();
    const { queue, store, troubles } = openHurried(server.url);
    const { runs } = openWorker(store, server.url);
    await queue.schedule('expire-uploads', 300);
    await eventually(() => expect(runs.length).toBeGreaterThanOrEqual(1));
    await server.kill();
    const startedAt = performance.now();
    expect(await Promise.all(['a', 'b'].map((repo) => queue.enqueue(snapshotOf(repo))))).toEqual([false, false]);
    await expect(queue.counts()).rejects.toThrow();
    await queue.schedule('reap-multiparts', 300);
    expect(performance.now() - startedAt).toBeLessThan(15_000);
    expect(troubles.length).toBeGreaterThan(0);
    await startRedis({ port: server.port });
    const { length } = runs;
    await eventually(() => {
      const since = new Set(runs.slice(length).map(({ kind }) => kind));
      expect([...since].sort()).toEqual(['expire-uploads', 'reap-multiparts']);
    });
    await eventually(async () => expect(await queue.enqueue(snapshotOf('a'))).toBe(true));
    await eventually(() =>
      expect(runs).toContainEqual(expect.objectContaining({ key: 'snapshot:a', outcome: 'done' })),
    );
  });

  test('hangs, neither a call nor closing waits for long', async () => {
    const server = await startRedis();
    const { queue, store } = openHurried(server.url);
    const { workers } = openWorker(store, server.url);
    await eventually(async () => expect(await queue.enqueue(snapshotOf('a'))).toBe(true));
    server.freeze();
    const startedAt = performance.now();
    expect(await queue.enqueue(snapshotOf('b'))).toBe(false);
    await expect(queue.counts()).rejects.toThrow('did not answer');
    await workers.close();
    await queue.close();
    expect(performance.now() - startedAt).toBeLessThan(20_000);
    server.thaw();
    // Closed clients do not reconnect: the only connection is that of redis-cli.
    const clients = async () => (await server.cli('CLIENT', 'LIST')).split('\n');
    await eventually(async () => expect(await clients()).toHaveLength(1));
    await Bun.sleep(500);
    expect(await clients()).toHaveLength(1);
  });

  test('has never been reachable, a queue still opens, and closes', async () => {
    const { queue } = openHurried(`redis://127.0.0.1:${freePort()}`);
    await queue.schedule('expire-uploads', 300);
    expect(await queue.enqueue(snapshotOf('a'))).toBe(false);
    const { workers } = openWorker(nextStore(), `redis://127.0.0.1:${freePort()}`);
    await Promise.all([workers.close(), queue.close()]);
    expect(await queue.enqueue(snapshotOf('a'))).toBe(false);
  });

  /** For a Redis that does not answer. */
  function openHurried(url: string) {
    return openQueue(url, { answerWithin: 1_000 });
  }
});
