// The past in a cluster: every node serves it, also while Redis is gone, and pins bind the workers.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { marinaCommand } from '../cli/marina.ts';
import { startCluster, stopClusters } from '../support/cluster.ts';
import { attempt } from '../support/command.ts';
import { expectStatus, image, pushImage } from '../support/oci.ts';
import { compactNow, nextSecond } from './moments.ts';

setDefaultTimeout(300_000);
afterAll(stopClusters);

/** No push can be too slow for it: collections run only when the test asks for one. */
const GRACE_MS = 2_000;
/** Longer than an upload takes on a busy machine. */
const EXPIRY_MS = 6_000;

test('what one node acknowledged is in the past that another serves, and a pin keeps it from the workers', async () => {
  const env = { GC_GRACE: `${GRACE_MS}ms`, UPLOAD_EXPIRY: `${EXPIRY_MS}ms`, GC_ENABLED: 'false' };
  const cluster = await startCluster({ balancer: false, workers: 1, env });
  const [one, other] = cluster.nodes;
  if (one === undefined || other === undefined) return expect.unreachable();
  const marina = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await attempt([...marinaCommand, ...args], { env: cluster.env });
    return { code, said: new TextDecoder().decode(stdout) + stderr };
  };
  const [first, second] = [image(), image()];
  await pushImage(one.url, 'team/app', first, 'latest');
  const moment = compactNow();
  const past = `/v2/at/${moment}/team/app`;
  // In the same second.
  await expectStatus(200, `${other.url}${past}/manifests/latest`);
  await nextSecond();
  await pushImage(other.url, 'team/app', second, 'latest');
  const pulled = await expectStatus(200, `${one.url}${past}/manifests/latest`);
  expect(Buffer.compare(pulled.bytes, first.bytes)).toBe(0);

  const pinned = await marina('pin', moment, '--name', 'release', '--until', '2099-01-01');
  expect(pinned).toEqual({ code: 0, said: expect.stringContaining('as release: 1 repository, until 2099') });
  await expectStatus(202, `${one.url}/v2/team/app/manifests/${first.descriptor.digest}`, { method: 'DELETE' });
  const collect = async () => {
    // The second run needs the age of what was never linked, too.
    for (const age of [GRACE_MS, EXPIRY_MS]) {
      await Bun.sleep(1.5 * age);
      expect(await marina('gc', '--wait')).toMatchObject({ code: 0 });
    }
  };
  const addresses = [`manifests/${first.descriptor.digest}`, `blobs/${first.blobs[1]?.descriptor.digest}`];
  await collect();
  await cluster.redis.kill();
  for (const { url } of [one, other]) {
    for (const address of addresses) await expectStatus(200, `${url}${past}/${address}`);
  }
  await cluster.replaceRedis();
  expect((await marina('unpin', 'release')).code).toBe(0);
  await collect();
  for (const address of addresses) await expectStatus(404, `${other.url}${past}/${address}`);
});
