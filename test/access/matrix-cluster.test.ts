// Every cell of the matrix against a node of a cluster, with its views and uploads in Redis and its blobs in a bucket.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { type Cluster, startCluster, stopClusters } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { checkRow, KINDS, openWorld, type World } from './matrix.ts';
import { basic, writeAccessFiles } from './world.ts';

setDefaultTimeout(300_000);
afterAll(stopClusters);

let world: World;
let cluster: Cluster;
beforeAll(async () => {
  const files = writeAccessFiles();
  cluster = await startCluster({ balancer: false, nodes: 1, workers: 0, env: files.env });
  world = await openWorld(files, cluster.nodes);
});

test.each(KINDS)('%s follows the rules for every caller and every repository', async (kind) => {
  const { cells, wrong } = await checkRow(world, kind);
  expect(wrong).toEqual([]);
  expect(cells).toBeGreaterThanOrEqual(12 * 2 * 6);
});

test('an administrator sees jobs, store and Redis, and every thread of the node follows the read-only switch', async () => {
  const url = `${cluster.nodes[0]?.url}/api/v1/operations`;
  const headers = { authorization: basic('admin'), 'content-type': 'application/json' };
  const seen = async (): Promise<unknown> => (await fetch(url, { headers })).json();
  const order = async (body: object): Promise<unknown> =>
    (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).json();
  // A part of the answer that takes more than two seconds is left out.
  await eventually(async () =>
    expect(await seen()).toMatchObject({
      node: { shape: 'cluster', storage: 's3' },
      services: [
        { name: 'store', milliseconds: expect.any(Number) },
        { name: 'redis', milliseconds: expect.any(Number) },
      ],
      writes: { state: 'writable' },
      jobs: { deadLetters: [] },
    }),
  );
  // There is no worker, so the job waits.
  expect(await order({ action: 'collect' })).toMatchObject({ done: false });
  await eventually(async () => {
    const kinds = expect.arrayContaining([expect.objectContaining({ kind: 'collect', waiting: 1 })]);
    expect(await seen()).toMatchObject({ jobs: { kinds } });
  });
  const push = async (): Promise<number> => {
    const target = `${cluster.nodes[0]?.url}/v2/ours/app/blobs/uploads/`;
    const response = await fetch(target, { method: 'POST', headers: { ...headers, connection: 'close' } });
    await response.bytes();
    return response.status;
  };
  for (const [on, status] of [
    [true, 503],
    [false, 202],
  ] as const) {
    await order({ action: 'read-only', on });
    await eventually(async () => {
      for (let each = 0; each < 10; each++) expect(await push()).toBe(status);
    });
  }
});
