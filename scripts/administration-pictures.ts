// Pictures of the pages for administrators, for pictures.ts: of two nodes and a worker on one folder.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions } from 'playwright-core';
import type { RepositoryName } from '../src/oci/names.ts';
import { basic, passwordOf, writeAccessFiles } from '../test/access/world.ts';
import { marinaCommand } from '../test/cli/marina.ts';
import { startWorker } from '../test/support/cluster.ts';
import { attempt } from '../test/support/command.ts';
import { eventually } from '../test/support/eventually.ts';
import { openBullQueue, openBullWorkers } from '../test/support/jobs.ts';
import { startRedis } from '../test/support/redis.ts';
import { startServer, temporaryFolder } from '../test/support/server.ts';

const RULES = `
groups:
  platform: [admin, deleter, 'robot:ci-*']
rules:
  - { who: anonymous, repositories: ['free/**'], actions: [pull] }
  - { who: [reader, creator], repositories: ['ours/**'], actions: [pull] }
  - { who: pusher, repositories: ['ours/**', 'team/app'], actions: [pull, push] }
  - { who: 'robot:ci-*', repositories: ['ours/**'], actions: [pull, push] }
  - { who: ['group:platform'], repositories: ['**'], actions: [pull, push, delete, catalog, metrics, admin] }
quotas:
  - { name: builds, repositories: ['ours/**'], allowed: { bytes: 10GiB } }
`;
const VIEWS: Readonly<Record<string, string>> = {
  operations: '/ui/operations',
  access: '/ui/access?who=reader&repository=ours/app',
};

async function order(url: string, path: string, body: object): Promise<void> {
  const headers = { authorization: basic('admin'), 'content-type': 'application/json' };
  const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path} is answered ${response.status}: ${await response.text()}`);
}

/** Leaves a dead letter. */
async function letDie(redis: string, dataPath: string): Promise<void> {
  const { store } = await Bun.file(join(dataPath, 'format')).json();
  const { queue } = openBullQueue(redis, store);
  const workers = openBullWorkers(redis, store, {
    run: async () => {
      throw new Error('ENOSPC: no space left on device, write');
    },
  });
  await queue.enqueue({ kind: 'snapshot', repo: 'ours/app' as RepositoryName });
  await eventually(async () => {
    if ((await queue.deadLetters(1)).length === 0) throw new Error('not yet');
  });
  await workers.close();
  await queue.close();
}

/** One that is whole, and one whose place is no folder. */
async function backUp(env: Readonly<Record<string, string>>): Promise<void> {
  const folder = temporaryFolder('backups');
  writeFileSync(join(folder, 'weekly'), '');
  for (const name of ['weekly', 'nightly'])
    await attempt([...marinaCommand, 'backup', join(folder, name), '--name', name], { env });
}

/** @param save the file of a picture */
export async function pictureAdministration(
  browser: Browser,
  forms: Readonly<Record<string, BrowserContextOptions>>,
  save: (name: string) => string,
): Promise<void> {
  const receiver = Bun.serve({ port: 0, fetch: () => new Response(null, { status: 204 }) });
  const WEBHOOKS_FILE = join(temporaryFolder('webhooks'), 'webhooks.yaml');
  const common = { repositories: ['**'], allowPrivate: true };
  const webhooks = [
    { name: 'scanner', url: receiver.url.href, format: 'harbor', ...common },
    // Nothing listens there.
    { name: 'chat', url: 'http://127.0.0.1:9/', format: 'cloudevents', ...common },
    { name: 'mirror', url: receiver.url.href, format: 'distribution', ...common },
  ];
  writeFileSync(WEBHOOKS_FILE, JSON.stringify({ webhooks }));
  const redis = await startRedis();
  const STORAGE_PATH = join(temporaryFolder('shared'), 'data');
  mkdirSync(STORAGE_PATH, { mode: 0o700 });
  const env = { ...writeAccessFiles(RULES).env, WEBHOOKS_FILE, STORAGE_PATH, REDIS_URL: redis.url };
  const { url } = await startServer({ ...env, NODE_NAME: 'harbour-1' });
  await startServer({ ...env, NODE_NAME: 'harbour-2' });
  await letDie(redis.url, STORAGE_PATH);
  await startWorker({ ...env, NODE_NAME: 'harbour-worker' });
  try {
    for (const [name, lifetime] of [
      ['ci-app', '90d'],
      ['ci-nightly', undefined],
      ['scanner', '365d'],
    ] as const)
      await order(url, '/api/v1/robots', { action: 'create', name, lifetime });
    const type = 'application/vnd.oci.image.index.v1+json';
    for (const tag of ['1.0', '1.1', '1.2']) {
      const body = JSON.stringify({ schemaVersion: 2, mediaType: type, manifests: [], annotations: { tag } });
      const headers = { authorization: basic('admin'), 'content-type': type };
      await fetch(`${url}/v2/ours/app/manifests/${tag}`, { method: 'PUT', headers, body });
    }
    await backUp(env);
    await order(url, '/api/v1/operations', { action: 'collect' });
    await order(url, '/api/v1/operations', { action: 'pause-webhook', name: 'mirror' });
    await eventually(async () => {
      const answer = await fetch(`${url}/api/v1/operations`, { headers: { authorization: basic('admin') } });
      const text = await answer.text();
      if (!text.includes('"freed"') || !text.includes('"failing":{')) throw new Error('not yet');
    });
    for (const [form, options] of Object.entries(forms)) {
      const page = await (await browser.newContext(options)).newPage();
      await page.goto(`${url}/ui/login`);
      await page.getByLabel('Name').fill('admin');
      await page.getByLabel('Password').fill(passwordOf('admin'));
      await page.getByRole('main').getByRole('button', { name: 'Log in' }).click();
      await page.waitForURL(`${url}/ui/`);
      for (const [view, path] of Object.entries(VIEWS)) {
        await page.goto(url + path);
        await page.screenshot({ path: save(`${view}-${form}`) });
      }
    }
  } finally {
    await receiver.stop(true);
  }
}
