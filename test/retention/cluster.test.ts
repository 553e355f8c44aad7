// Retention in a cluster: a worker does it on the bucket, all nodes show the result, and no node moves an immutable tag.
import { afterAll, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { marinaCommand } from '../cli/marina.ts';
import { type Cluster, startCluster, stopClusters } from '../support/cluster.ts';
import { attempt } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, type Image, image, pushImage } from '../support/oci.ts';
import { temporaryFolder } from '../support/server.ts';

afterAll(stopClusters);

const RULES = `
rules:
  - name: apps
    repositories: [team/*]
    immutable: {tags: ['v*']}
    keep: [{tags: [latest]}, {pulledWithin: 1s}]
    deleteUntagged: 1s
`;

/** Pulls are recorded to the hour and count until it ends, so it must not end in the middle of what is tested. */
const WITHIN_THE_HOUR_MS = 120_000;
const HOUR_MS = 3_600_000;

async function awaitRoomInTheHour(): Promise<void> {
  const left = HOUR_MS - (Date.now() % HOUR_MS);
  if (left < WITHIN_THE_HOUR_MS) await Bun.sleep(left + 1_000);
}

async function marina({ env }: Cluster, ...args: readonly string[]) {
  const { code, stdout, stderr } = await attempt([...marinaCommand, ...args], { env });
  return { code, stderr, last: new TextDecoder().decode(stdout).trimEnd().split('\n').at(-1) ?? '' };
}

test('a worker deletes what no rule keeps, every node agrees, and of two nodes one sets an immutable tag', async () => {
  const RETENTION_FILE = join(temporaryFolder('retention'), 'retention.yaml');
  writeFileSync(RETENTION_FILE, RULES);
  const cluster = await startCluster({ balancer: false, env: { RETENTION_FILE } });
  const [one, other] = cluster.nodes;
  if (one === undefined || other === undefined) return expect.unreachable();
  // The worker begins with a run. One that came late would delete what is pushed now.
  for (const { url } of [one, other]) {
    await eventually(async () => {
      expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/^marina_retention_repositories 0$/m);
    });
  }
  const loose = image();
  await pushImage(one.url, 'team/app', loose);
  const images = [image(), image()];
  for (const [index, pushed] of images.entries()) await pushImage(one.url, 'team/app', pushed, `t${index}`);
  await pushImage(other.url, 'team/app', images[0] ?? loose, 'latest');
  const push = (url: string, pushed: Image | undefined) =>
    fetch(`${url}/v2/team/app/manifests/v1`, {
      method: 'PUT',
      headers: { 'content-type': pushed?.descriptor.mediaType ?? '' },
      body: new Uint8Array(pushed?.bytes ?? []),
    });
  const both = await Promise.all([push(one.url, images[0]), push(other.url, images[1])]);
  expect(both.map(({ status }) => status).sort()).toEqual([201, 403]);
  const refused = both.find(({ status }) => status === 403);
  expect(await refused?.json()).toEqual({ errors: [expect.objectContaining({ code: 'DENIED' })] });
  await expectStatus(403, `${other.url}/v2/team/app/manifests/v1`, { method: 'DELETE' });
  const holder = (await fetch(`${one.url}/v2/team/app/manifests/v1`)).headers.get('docker-content-digest');
  await expectStatus(403, `${one.url}/v2/team/app/manifests/${holder}`, { method: 'DELETE' });

  const dry = await marina(cluster, 'retention', '--dry-run', '--json');
  expect(JSON.parse(dry.last)).toMatchObject({ dryRun: true, repositories: 1 });
  await Bun.sleep(1_100);
  const done = await marina(cluster, 'retention', '--wait', '--json');
  expect(done.stderr).toBe('');
  expect(JSON.parse(done.last)).toMatchObject({ repositories: 1, tags: 2, manifests: 1, failures: 0 });
  for (const { url } of [one, other]) {
    const list = (await (await fetch(`${url}/v2/team/app/tags/list`)).json()) as { tags: string[] };
    expect(list.tags).toEqual(['latest', 'v1']);
    await expectStatus(404, `${url}/v2/team/app/manifests/${loose.descriptor.digest}`);
    await eventually(async () => {
      expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/^marina_retention_deleted\{what="tags"\} 2$/m);
    });
  }
  // A node flushes its pulls when it ends; a worker reads them.
  await awaitRoomInTheHour();
  await pushImage(one.url, 'team/app', images[1] ?? loose, 'pulled');
  await pushImage(one.url, 'team/app', images[1] ?? loose, 'not-pulled');
  await expectStatus(200, `${one.url}/v2/team/app/manifests/pulled`, { method: 'HEAD' });
  await one.stop();
  await Bun.sleep(1_100);
  expect(JSON.parse((await marina(cluster, 'retention', '--wait', '--json')).last)).toMatchObject({ tags: 1 });
  await expectStatus(200, `${other.url}/v2/team/app/manifests/pulled`);
  await expectStatus(404, `${other.url}/v2/team/app/manifests/not-pulled`);
});
