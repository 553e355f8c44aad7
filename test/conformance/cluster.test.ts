// The official OCI distribution suite through the sample load balancer: two nodes, a worker, Redis, and blobs in S3.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Cluster, startCluster, stopClusters } from '../support/cluster.ts';
import { TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { startServer } from '../support/server.ts';
import { CONFORMANCE_WITHIN_MS, expectConformance } from './results.ts';

let cluster: Cluster;

beforeAll(async () => {
  await tools('conformance');
  cluster = await startCluster();
}, TOOLS_WITHIN_MS);
afterAll(stopClusters);

test(
  'passes the official conformance suite through the load balancer, over both nodes',
  async () => {
    await expectConformance(cluster.host);
    // Without sticky sessions each node got some of the requests.
    for (const node of cluster.nodes) expect(node.logs().match(/"method":"PATCH"/g)?.length).toBeGreaterThan(5);
  },
  CONFORMANCE_WITHIN_MS,
);

test(
  'passes the official conformance suite on a single process with its data in a bucket',
  async () => {
    const { REDIS_URL: _, ...settings } = cluster.env;
    const node = await startServer({ ...settings, S3_PREFIX: 'alone' });
    await expectConformance(node.host);
  },
  CONFORMANCE_WITHIN_MS,
);
