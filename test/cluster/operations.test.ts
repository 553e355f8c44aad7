// What administrators see and do in a cluster: real nodes, workers, Redis with BullMQ, and MinIO.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import type { DeadLetter } from '../../src/jobs/queue.ts';
import { snapshotOf } from '../contract/jobs.contract.ts';
import { type ApiDocument, documentOf, expectDocumented } from '../past/api-document.ts';
import { type Cluster, startCluster, stopClusters } from '../support/cluster.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { openBullQueue, openBullWorkers } from '../support/jobs.ts';
import { expectStatus } from '../support/oci.ts';
import { hiddenFields, Visitor } from '../ui/page-client.ts';

setDefaultTimeout(120_000);

const OPERATIONS = '/ui/operations';

interface Listed {
  readonly name: string;
  readonly role: string;
  readonly this: boolean;
  readonly state: string;
  readonly address?: string;
  readonly jobs?: readonly string[];
}

interface Seen {
  readonly node: { readonly name: string; readonly store: string };
  readonly processes: { readonly problem?: string; readonly processes: readonly Listed[] };
  readonly services: readonly { readonly name: string; readonly problem?: string }[];
  readonly jobs: {
    readonly kinds: readonly { readonly kind: string; readonly waiting: number; readonly failed: number }[];
    readonly deadLetters: readonly Pick<DeadLetter, 'id' | 'kind' | 'reason'>[];
  };
}

let cluster: Cluster;
let document: ApiDocument;

beforeAll(async () => {
  cluster = await startCluster({ workers: 0, balancer: false });
  document = await documentOf(cluster.url);
}, TOOLS_WITHIN_MS);
afterAll(stopClusters, 60_000);

async function seenBy(node: number): Promise<Seen> {
  const { url } = nodeOf(node);
  return (await expectDocumented(url, document, ['/api/v1/operations', '/api/v1/operations'], 200)) as Seen;
}

function nodeOf(index: number) {
  const node = cluster.nodes[index];
  if (node === undefined) throw new Error(`there is no node ${index}`);
  return node;
}

async function statesSeenBy(node: number): Promise<Record<string, string>> {
  const { processes } = (await seenBy(node)).processes;
  return Object.fromEntries(processes.map((each) => [each.role === 'worker' ? 'worker' : each.name, each.state]));
}

/** Moves the time at which a process was heard last into the past. */
async function silence(address: string, seconds: number): Promise<void> {
  const said = (await cluster.redis.cli('KEYS', '*:processes')).trim();
  const all = (await cluster.redis.cli('HGETALL', said)).split('\n');
  const at = all.findIndex((text) => text.includes(address));
  const heard = String(Date.now() - seconds * 1000);
  await cluster.redis.cli('ZADD', `${said}:heard`, heard, all[at - 1] ?? '');
}

/** Makes jobs fail until they are dead letters. */
async function letDie(store: string, repos: readonly string[]): Promise<void> {
  const { queue } = openBullQueue(cluster.redis.url, store);
  const workers = openBullWorkers(cluster.redis.url, store, {
    run: async () => {
      throw new Error('the disk of this worker is gone');
    },
  });
  for (const repo of repos) expect(await queue.enqueue(snapshotOf(repo))).toBe(true);
  await eventually(async () => {
    const letters = await queue.deadLetters(10);
    expect(letters.filter(({ kind }) => kind === 'snapshot')).toHaveLength(repos.length);
  });
  await workers.close();
  await queue.close();
}

test('dead letters are retried by the form of the page and by the API, and then a worker does the jobs', async () => {
  const { store } = (await seenBy(0)).node;
  await letDie(store, ['team/one', 'team/two']);
  const letters = (await seenBy(0)).jobs.deadLetters.filter(({ kind }) => kind === 'snapshot');
  expect(letters.map(({ reason }) => reason)).toEqual(Array.from(letters, () => 'the disk of this worker is gone'));
  const [first, second] = letters.map(({ id }) => id);

  // The second node has another connection to the same queues.
  const visitor = new Visitor(nodeOf(1).url);
  const { html } = await visitor.get(OPERATIONS);
  expect(html).toContain('the disk of this worker is gone');
  expect(html).toContain(`name="id" value="${first}"`);
  const [form] = hiddenFields(html, OPERATIONS).filter(([name]) => name === 'form');
  const retry = [
    ['id', first ?? ''],
    ['order', 'retry-job'],
  ] as const;
  expect((await visitor.post(OPERATIONS, retry)).status).toBe(403);
  const retried = await visitor.post(OPERATIONS, [form ?? ['form', ''], ...retry]);
  expect([retried.status, retried.location]).toEqual([303, `${OPERATIONS}?done=retry-job`]);
  expect((await visitor.get(retried.location ?? '')).html).not.toContain(`value="${first}"`);

  const order = { method: 'POST', headers: { 'content-type': 'application/json' } };
  const again = { ...order, body: JSON.stringify({ action: 'retry-job', id: second }) };
  await expectStatus(200, `${cluster.url}/api/v1/operations`, again);
  // There is no such letter any more.
  await expectStatus(400, `${cluster.url}/api/v1/operations`, again);
  const { jobs } = await seenBy(1);
  expect(jobs.deadLetters.filter(({ kind }) => kind === 'snapshot')).toEqual([]);
  expect(jobs.kinds.find(({ kind }) => kind === 'snapshot')).toMatchObject({ waiting: 2, failed: 0 });

  await cluster.addWorker();
  await eventually(async () => {
    const { kinds } = (await seenBy(0)).jobs;
    expect(kinds.find(({ kind }) => kind === 'snapshot')).toMatchObject({ waiting: 0, active: 0, failed: 0 });
  });
});

test('every node lists nodes and workers, and marks itself', async () => {
  for (const node of [0, 1]) {
    await eventually(async () =>
      expect(await statesSeenBy(node)).toEqual({ node1: 'alive', node2: 'alive', worker: 'alive' }),
    );
    const { processes } = (await seenBy(node)).processes;
    expect(processes.filter((each) => each.this).map(({ name }) => name)).toEqual([`node${node + 1}`]);
    expect(processes.find((each) => each.this)?.address).toBe(nodeOf(node).url);
    expect(processes.find(({ role }) => role === 'worker')?.jobs).toContain('collect');
  }
  const { html } = await new Visitor(cluster.url).get(OPERATIONS);
  expect(html).toContain(`node, process ${nodeOf(1).process.pid}, ${nodeOf(1).url}`);
});

test('a killed node is late and then gone, and replaced when it is started again; one that ends leaves the list', async () => {
  await nodeOf(1).kill();
  await eventually(async () => {
    await silence(nodeOf(1).url, 20);
    expect((await statesSeenBy(0)).node2).toBe('late');
  });
  await silence(nodeOf(1).url, 100);
  await eventually(async () => expect((await statesSeenBy(0)).node2).toBe('gone'));
  expect((await new Visitor(cluster.url).get(OPERATIONS)).html).toContain('not heard for 1 min');
  await cluster.restart(1);
  await eventually(async () => expect((await statesSeenBy(0)).node2).toBe('alive'));
  const names = (await seenBy(0)).processes.processes.map(({ name }) => name);
  expect(names.filter((name) => name === 'node2')).toHaveLength(1);
  await nodeOf(1).stop();
  // A busy machine may be late with the announcements of the others, too.
  await eventually(async () => expect(await statesSeenBy(0)).toEqual({ node1: 'alive', worker: 'alive' }));
  await cluster.workers[0]?.stop();
  await eventually(async () => expect(await statesSeenBy(0)).toEqual({ node1: 'alive' }));
});

test('while Redis is away the page says so, and lists the node that answers', async () => {
  await cluster.redis.kill();
  // Until the node has noticed that its connections are closed, one part of an answer may still be older than another.
  await eventually(async () => {
    const { processes, services } = await seenBy(0);
    expect(processes).toMatchObject({
      problem: expect.stringContaining('Redis'),
      processes: [{ name: 'node1', this: true, state: 'alive' }],
    });
    expect(services.find(({ name }) => name === 'redis')?.problem).toBeDefined();
  });
  const page = await new Visitor(cluster.url).get(OPERATIONS);
  expect(page.status).toBe(200);
  expect(page.html).toContain('Other processes are not known');
  await cluster.replaceRedis();
  await eventually(async () => expect((await seenBy(0)).processes.problem).toBeUndefined());
});
