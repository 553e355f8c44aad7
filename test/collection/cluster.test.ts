// Collection in a cluster: the command enqueues it, a worker does it on the bucket, and all nodes show the result.
import { afterAll, expect, test } from 'bun:test';
import { marinaCommand } from '../cli/marina.ts';
import { type Cluster, startCluster, stopClusters } from '../support/cluster.ts';
import { attempt } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { abandonUpload, expectStatus, image, pushBlob, pushImage, randomBlob } from '../support/oci.ts';

afterAll(stopClusters);

/** Longer than an upload takes on a busy machine. */
const UPLOADS_WITHIN = '5s';

async function marina({ env }: Cluster, ...args: readonly string[]) {
  const { code, stdout, stderr } = await attempt([...marinaCommand, ...args], { env });
  return { code, stderr, last: new TextDecoder().decode(stdout).trimEnd().split('\n').at(-1) ?? '' };
}

test('a worker collects what nodes deleted, and every node agrees', async () => {
  const cluster = await startCluster({ balancer: false, env: { GC_GRACE: '4s', GC_ENABLED: 'false' } });
  const [one, other] = cluster.nodes;
  if (one === undefined || other === undefined) return expect.unreachable();
  const [kept, gone] = [image(), image()];
  await pushImage(one.url, 'team/kept', kept, 'v1');
  await pushImage(other.url, 'team/gone', gone, 'v1');
  const loose = randomBlob(3_000);
  await pushBlob(other.url, 'team/kept', loose);
  expect(await marina(cluster, 'rm', 'team/gone')).toMatchObject({ code: 0, stderr: '' });
  for (const { url } of [one, other]) await expectStatus(404, `${url}/v2/team/gone/manifests/v1`);
  await Bun.sleep(4_500);
  // A client finds the unreferenced blob by HEAD and relies on it, so it is not unlinked.
  const collected = new AbortController();
  const ask = () => expectStatus(200, `${one.url}/v2/team/kept/blobs/${loose.descriptor.digest}`, { method: 'HEAD' });
  await ask();
  const asking = (async () => {
    while (!collected.signal.aborted) {
      await Bun.sleep(200);
      await ask();
    }
  })();
  const first = await marina(cluster, 'gc', '--wait', '--json').finally(() => collected.abort());
  await asking;
  expect([first.code, first.stderr]).toEqual([0, '']);
  expect(JSON.parse(first.last)).toMatchObject({ freed: { objects: 1 + gone.blobs.length }, unlinked: 0, failures: 0 });
  await expectStatus(200, `${other.url}/v2/team/kept/blobs/${loose.descriptor.digest}`);
  await Bun.sleep(4_500);
  expect(JSON.parse((await marina(cluster, 'gc', '--wait', '--json')).last)).toMatchObject({ unlinked: 1 });
  for (const { url } of [one, other]) {
    await expectStatus(404, `${url}/v2/team/kept/blobs/${loose.descriptor.digest}`);
    await expectStatus(200, `${url}/v2/team/kept/manifests/v1`);
    await eventually(async () => {
      expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/^marina_collection_unlinked_blobs 1$/m);
    });
  }
  await pushImage(one.url, 'team/gone', gone, 'v1');
  await expectStatus(200, `${other.url}/v2/team/gone/manifests/v1`);
});

test('gc removes expired uploads whose sessions are in Redis; a dry run only lists them', async () => {
  const cluster = await startCluster({ balancer: false, env: { UPLOAD_EXPIRY: UPLOADS_WITHIN, GC_ENABLED: 'false' } });
  await abandonUpload(cluster.url, 'team/app', 3_000);
  await abandonUpload(cluster.url, 'team/app', 6_000_000);
  await Bun.sleep(5_500);
  const expected = { uploads: { sessions: 2, bytes: 6_003_000 } };
  for (let time = 0; time < 2; time++)
    expect(JSON.parse((await marina(cluster, 'gc', '--dry-run', '--json')).last)).toMatchObject(expected);
  const done = await marina(cluster, 'gc', '--wait', '--json');
  expect([done.code, done.stderr]).toEqual([0, '']);
  expect(JSON.parse(done.last)).toMatchObject({ ...expected, failures: 0 });
  const again = await marina(cluster, 'gc', '--dry-run', '--json');
  expect(JSON.parse(again.last)).toMatchObject({ uploads: { sessions: 0, bytes: 0 } });
});
