// Compare-and-set of tags over the nodes of a cluster.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { startCluster, stopClusters } from '../support/cluster.ts';
import { emptyConfig, pushBlob } from '../support/oci.ts';
import { countAt, counterImage, incrementConcurrently, putIf, REPOSITORY } from './counter.ts';

setDefaultTimeout(600_000);
afterAll(stopClusters);

test('64 clients over three nodes that each increment a counter image end at exactly the sum', async () => {
  const cluster = await startCluster({ nodes: 3, workers: 0, balancer: false });
  const urls = cluster.nodes.map(({ url }) => url);
  await pushBlob(cluster.url, REPOSITORY, emptyConfig);
  const created = await Promise.all(urls.map((url) => putIf(url, counterImage(0), { 'If-None-Match': '*' })));
  expect(created.map(({ status }) => status).sort()).toEqual([201, 412, 412]);
  const refused = await incrementConcurrently(urls, 64, 1);
  for (const url of urls) expect((await countAt(url)).count).toBe(64);
  expect(refused).toBeGreaterThan(64);
});
