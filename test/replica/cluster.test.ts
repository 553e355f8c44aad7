// A cluster as the replica of one server: one node copies, another one takes over, and all serve. REPLICA_TIMES=long kills both nodes.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { startCluster, stopClusters } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, image, pushImage, randomBlob } from '../support/oci.ts';
import { startServer } from '../support/server.ts';
import { becomesEqual, expectPull, replica } from './replicas.ts';

setDefaultTimeout(300_000);
afterAll(stopClusters);

const REPO = 'team/app';
/** Notes, robots, and two repositories. */
const LOGS = 4;

test('a cluster follows with one of its nodes, serves with all, and accepts writes on all after a promotion', async () => {
  const primary = await startServer();
  const [small, large] = [image(), image({ layers: [randomBlob(20 * 1024 * 1024)] })];
  await pushImage(primary.url, REPO, small, 'small');
  await pushImage(primary.url, 'team/large', large, 'v1');
  const cluster = await startCluster({ balancer: false, workers: 1, env: { REPLICA_OF: primary.url } });
  const settings = { ...cluster.env, REPLICA_OF: primary.url };
  await becomesEqual(settings, LOGS);
  for (const { url } of cluster.nodes) {
    await expectPull(url, REPO, 'small', small);
    await expectPull(url, 'team/large', 'v1', large);
    await expectStatus(405, `${url}/v2/${REPO}/blobs/uploads/`, { method: 'POST' });
  }

  // Whichever node copies: after each of them was killed once, the other one has gone on.
  for (const index of process.env.REPLICA_TIMES === 'long' ? [0, 1] : [0]) {
    await cluster.nodes[index]?.kill();
    const pushed = image();
    await pushImage(primary.url, REPO, pushed, `without-${index}`);
    await becomesEqual(settings, LOGS);
    const other = cluster.nodes[1 - index];
    if (other === undefined) return expect.unreachable();
    await expectPull(other.url, REPO, `without-${index}`, pushed);
    await cluster.restart(index);
  }

  await cluster.replaceRedis();
  const later = image();
  await pushImage(primary.url, REPO, later, 'later');
  for (const { url } of cluster.nodes) await eventually(() => expectPull(url, REPO, 'later', later));
  await becomesEqual(settings, LOGS);

  const { code, stderr } = await replica(settings, 'promote');
  expect([code, stderr]).toEqual([0, '']);
  for (const [index, { url }] of cluster.nodes.entries())
    await eventually(() => pushImage(url, REPO, image(), `mine-${index}`));
  await pushImage(primary.url, REPO, image(), 'theirs');
  await Bun.sleep(3_000);
  for (const { url } of cluster.nodes) await expectStatus(404, `${url}/v2/${REPO}/manifests/theirs`);
});
