// Every cell of the matrix against a node of a cluster, with its views and uploads in Redis and its blobs in a bucket.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { startCluster, stopClusters } from '../support/cluster.ts';
import { checkRow, KINDS, openWorld, type World } from './matrix.ts';
import { writeAccessFiles } from './world.ts';

setDefaultTimeout(300_000);
afterAll(stopClusters);

let world: World;
beforeAll(async () => {
  const files = writeAccessFiles();
  const cluster = await startCluster({ balancer: false, nodes: 1, workers: 0, env: files.env });
  world = await openWorld(files, cluster.nodes);
});

test.each(KINDS)('%s follows the rules for every caller and every repository', async (kind) => {
  const { cells, wrong } = await checkRow(world, kind);
  expect(wrong).toEqual([]);
  expect(cells).toBeGreaterThanOrEqual(12 * 2 * 6);
});
