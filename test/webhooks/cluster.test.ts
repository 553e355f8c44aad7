// Webhooks of a cluster: one worker delivers what any node wrote, and another takes over.
import { afterAll, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { marinaCommand } from '../cli/marina.ts';
import { startCluster, stopClusters, type Worker } from '../support/cluster.ts';
import { attempt } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, image, pushImage } from '../support/oci.ts';
import { temporaryFolder } from '../support/server.ts';
import { startReceiver } from './receivers.ts';

/** The long form also kills the worker that delivers, and waits until its lease has run out. */
const IS_LONG = process.env.WEBHOOK_CHANGES !== undefined;
const WITHIN_MS = 300_000;

afterAll(stopClusters);

test(
  'one worker delivers what any node wrote, and another one takes over',
  async () => {
    const receiver = startReceiver();
    const path = join(temporaryFolder('webhooks'), 'webhooks.yaml');
    const webhook = { name: 'all', url: receiver.url, allowPrivate: true, events: ['tag.set'], since: 'beginning' };
    writeFileSync(path, JSON.stringify({ webhooks: [webhook] }));
    const cluster = await startCluster({ balancer: false, workers: 2, env: { WEBHOOKS_FILE: path } });
    const tags = (): readonly string[] =>
      receiver.received.map(({ body }) => (JSON.parse(body) as { readonly data: { readonly tag: string } }).data.tag);
    const delivering = (): readonly Worker[] =>
      cluster.workers.filter((worker) => worker.logs().includes('this process delivers the webhooks'));
    const push = async (tag: string): Promise<void> => {
      for (const [index, node] of cluster.nodes.entries())
        await pushImage(node.url, `team/app-${index}`, image(), `${tag}-${index}`);
      await eventually(() => expect(tags()).toEqual(expect.arrayContaining([`${tag}-0`, `${tag}-1`])));
    };
    await push('first');
    await eventually(() => expect(delivering()).toHaveLength(1));
    const ordered = await attempt([...marinaCommand, 'webhooks', 'pause', 'all'], { env: cluster.env });
    expect(new TextDecoder().decode(ordered.stdout)).toBe('all is paused\n');
    const resumed = await attempt([...marinaCommand, 'webhooks', 'resume', 'all'], { env: cluster.env });
    expect(resumed.code).toBe(0);
    const [before] = delivering();
    if (before === undefined) throw new Error('no worker delivers');
    await before.stop();
    await push('second');
    await eventually(() => expect(delivering()).toHaveLength(2));
    // In the worker's report.
    await eventually(async () => {
      const { bytes } = await expectStatus(200, `${cluster.nodes[0]?.url}/metrics`);
      expect(new TextDecoder().decode(bytes)).toMatch(/^marina_webhook_delivered_total\{webhook="all"\} [1-9]\d*$/m);
    });
    if (IS_LONG) {
      await cluster.addWorker();
      await delivering()[1]?.kill();
      await push('third');
    }
    const first = tags().filter((tag, place) => tags().indexOf(tag) === place && tag.endsWith('-0'));
    expect(first).toEqual(['first-0', 'second-0', ...(IS_LONG ? ['third-0'] : [])]);
    await receiver.stop();
  },
  WITHIN_MS,
);
