// Backups beside the nodes of a cluster: they need no Redis, and a restored store does not believe the one that is there.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { linesOf, marinaCommand } from '../cli/marina.ts';
import { type Cluster, startCluster, stopClusters } from '../support/cluster.ts';
import { attempt } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, type Image, image, pushImage } from '../support/oci.ts';
import { startServer } from '../support/server.ts';

setDefaultTimeout(300_000);
afterAll(stopClusters);

const PLACE = 's3://backups/of-cluster';

async function marina({ env }: Cluster, ...args: readonly string[]) {
  const { code, stdout, stderr } = await attempt([...marinaCommand, ...args], { env });
  const text = new TextDecoder().decode(stdout);
  return { code, stdout: text, stderr, lines: linesOf(text) };
}

test('a backup is made while nodes are written to, restored beside them on the same Redis, and pruned', async () => {
  const cluster = await startCluster({ balancer: false });
  await cluster.objects.makeBucket('backups');
  const pushed: { readonly repo: string; readonly tag: string; readonly pushed: Image }[] = [];
  let isOver = false;
  const client = async (url: string, repo: string): Promise<void> => {
    for (let number = 0; !isOver; number++) {
      const one = { repo, tag: `t${number}`, pushed: image() };
      await pushImage(url, repo, one.pushed, one.tag);
      pushed.push(one);
    }
  };
  // Both nodes write to one of the repositories.
  const clients = cluster.nodes.flatMap(({ url }, index) => [
    client(url, `own/${index}`),
    client(url, `shared/${index}`),
  ]);
  await eventually(() => expect(pushed.length).toBeGreaterThan(8), 120_000);
  const before = [...pushed];
  expect(await marina(cluster, 'backup', PLACE, '--name', 'first')).toMatchObject({ code: 0, stderr: '' });
  isOver = true;
  await Promise.all(clients);
  expect(await marina(cluster, 'backup', PLACE, '--name', 'second')).toMatchObject({ code: 0, stderr: '' });
  // A part of the answer that takes more than two seconds is left out.
  await eventually(async () => {
    const { bytes: seen } = await expectStatus(200, `${cluster.url}/api/v1/operations`);
    expect(JSON.parse(new TextDecoder().decode(seen))).toMatchObject({
      backups: {
        backups: ['second', 'first'].map((name) => ({ name, place: expect.stringContaining(PLACE), whole: true })),
      },
    });
  });
  const pruned = await marina(cluster, 'backup', 'prune', PLACE, '--keep-last', '1');
  expect(pruned).toMatchObject({ code: 0, stderr: '' });
  expect(pruned.lines.slice(0, 2)).toEqual(['first  removed', 'second  kept']);
  const verified = await marina(cluster, 'backup', 'verify', PLACE);
  expect(verified.stdout).toContain('1 backup,');
  expect(verified.stdout).toContain('no faults');
  const target = `s3://${cluster.env.S3_BUCKET}/restored`;
  expect(await marina(cluster, 'backup', 'restore', PLACE, '--to', target)).toMatchObject({ code: 0, stderr: '' });
  const restored = await startServer({ ...cluster.env, S3_PREFIX: 'restored' });
  for (const { repo, tag, pushed: one } of [...before, ...pushed.slice(-4)]) {
    const { bytes } = await expectStatus(200, `${restored.url}/v2/${repo}/manifests/${tag}`);
    expect(Buffer.compare(bytes, one.bytes)).toBe(0);
    for (const { descriptor } of one.blobs)
      await expectStatus(200, `${restored.url}/v2/${repo}/blobs/${descriptor.digest}`);
  }
  // The restored registry and the cluster do not see what the other one gets.
  await pushImage(restored.url, 'own/0', image(), 'only-restored');
  await expectStatus(404, `${cluster.nodes[0]?.url}/v2/own/0/manifests/only-restored`);
});
