// Read-only in a cluster: after one command every node refuses writes, whatever happens to Redis, and workers delete nothing.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { marinaCommand } from '../cli/marina.ts';
import { startCluster, stopClusters } from '../support/cluster.ts';
import { attempt } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, image, pushImage } from '../support/oci.ts';
import type { Server } from '../support/server.ts';
import { fromAllThreads, send } from '../threads/connections.ts';

setDefaultTimeout(300_000);
afterAll(stopClusters);

/** Two seconds, and some time for a busy machine. */
const VISIBLE_WITHIN_MS = 10_000;

test('every node sees the read-only switch, even one that starts later, and after Redis was lost', async () => {
  const cluster = await startCluster({ balancer: false, workers: 1 });
  const [one, other] = cluster.nodes;
  if (one === undefined || other === undefined) return expect.unreachable();
  const marina = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await attempt([...marinaCommand, ...args], { env: cluster.env });
    return { code, said: new TextDecoder().decode(stdout) + stderr };
  };
  /** What all threads of these nodes answer. */
  const start = async (...nodes: readonly Server[]) => {
    const ask = async (url: string) => (await send(`${url}/v2/team/app/blobs/uploads/`, { method: 'POST' })).status;
    const answers = await Promise.all(nodes.map(({ url }) => fromAllThreads(() => ask(url))));
    return answers.map((statuses) => [...statuses].join());
  };
  const everyNode = (status: number) =>
    eventually(async () => expect(await start(one, other)).toEqual([`${status}`, `${status}`]), VISIBLE_WITHIN_MS);
  await pushImage(one.url, 'team/app', image(), 'v1');

  const on = await marina('read-only', 'on');
  expect(on).toEqual({ code: 0, said: expect.stringContaining('every node sees it within 2 s') });
  await everyNode(503);
  for (const { url } of [one, other]) {
    await expectStatus(200, `${url}/v2/team/app/manifests/v1`);
    await expectStatus(503, `${url}/v2/team/app/manifests/v1`, { method: 'DELETE' });
  }
  const gc = await marina('gc', '--wait');
  expect(gc).toEqual({ code: 2, said: expect.stringContaining('read-only for now') });

  await cluster.replaceRedis();
  await other.kill();
  const again = await cluster.restart(1);
  expect(await start(one, again)).toEqual(['503', '503']);

  expect((await marina('read-only', 'off')).code).toBe(0);
  await eventually(async () => expect(await start(one, again)).toEqual(['202', '202']), VISIBLE_WITHIN_MS);
});
