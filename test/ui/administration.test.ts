// The pages for administrators of a registry with accounts, in a real browser, and what is behind them in /api/v1.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { basic, passwordOf, writeAccessFiles } from '../access/world.ts';
import { marina, OPERATOR_HERE } from '../cli/marina.ts';
import { type ApiDocument, documentOf, expectDocumented } from '../past/api-document.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { randomBlob } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { clickThrough, overflow, seriousFaults, WatchedBrowser } from './chromium.ts';
import { Visitor } from './page-client.ts';

setDefaultTimeout(300_000);

const RULES = `
groups:
  platform: [admin, 'robot:ci-*']
rules:
  - { who: reader, repositories: ['ours/**'], actions: [pull] }
  - { who: 'robot:ci-*', repositories: ['ours/**'], actions: [pull, push] }
  - { who: admin, repositories: ['**'], actions: [pull, push, delete, catalog, metrics, admin] }
quotas:
  - { name: builds, repositories: ['ours/**'], allowed: { bytes: 10GiB } }
`;
const ASKED = '/ui/access?who=reader&repository=ours%2Fapp';
const VIEWS = [
  '/ui/operations',
  '/ui/operations?done=read-only',
  '/ui/access',
  ASKED,
  '/ui/access?q=nobody',
  '/ui/access?who=a:b&repository=ours',
];
const WIDE = { viewport: { width: 1440, height: 900 } } as const;
const PHONE = { viewport: { width: 320, height: 640 }, colorScheme: 'dark' } as const;

let server: Server;
let receiver: ReturnType<typeof Bun.serve>;
/** What the receiver of the webhook answers. */
let answered = 204;
let browser: WatchedBrowser;
let document: ApiDocument;
beforeAll(async () => {
  receiver = Bun.serve({ port: 0, fetch: () => new Response(null, { status: answered }) });
  const WEBHOOKS_FILE = join(temporaryFolder('webhooks'), 'webhooks.yaml');
  const webhook = {
    name: 'chat',
    url: receiver.url.href,
    repositories: ['**'],
    format: 'cloudevents',
    allowPrivate: true,
  };
  writeFileSync(WEBHOOKS_FILE, JSON.stringify({ webhooks: [webhook] }));
  server = await startServer({ ...writeAccessFiles(RULES).env, WEBHOOKS_FILE });
  document = await documentOf(server.url);
  for (const name of ['deploy', 'ci-old']) await changed({ action: 'create', name, lifetime: '90d' });
  browser = await WatchedBrowser.launch(server.url);
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await browser?.close();
  await receiver?.stop(true);
  await cleanUp();
});

const ADMIN = { authorization: basic('admin') };

async function post(path: string, body: object, headers: Readonly<Record<string, string>> = ADMIN): Promise<Response> {
  const all = { 'content-type': 'application/json', ...headers };
  return await fetch(server.url + path, { method: 'POST', headers: all, body: JSON.stringify(body) });
}

interface Changed {
  readonly login: string;
  readonly secret?: string;
}

async function changed(body: object): Promise<Changed> {
  const response = await post('/api/v1/robots', body);
  expect(response.status).toBe(200);
  return (await response.json()) as Changed;
}

/** Visits as the administrator. */
async function open(options: BrowserContextOptions, visit: (page: Page) => Promise<void>): Promise<void> {
  await browser.open(options, async (page) => {
    await page.goto(`${server.url}/ui/login`);
    await page.getByLabel('Name').fill('admin');
    await page.getByLabel('Password').fill(passwordOf('admin'));
    await page.getByRole('main').getByRole('button', { name: 'Log in' }).click();
    await page.waitForURL(`${server.url}/ui/`);
    await visit(page);
  });
}

/** Waits until a page of operations has every part: of what is not read within two seconds it says only so. */
async function whole(page: Page): Promise<void> {
  await eventually(async () => {
    const text = await page.getByRole('main').textContent();
    if (text?.includes(UNREAD) === true) await page.reload();
    expect(text).not.toContain(UNREAD);
  });
}

const UNREAD = 'o answer within';

/** The status of a push to a repository. */
async function push(repo: string, authorization: string): Promise<number> {
  const { bytes, descriptor } = randomBlob(64);
  const target = `${server.url}/v2/${repo}/blobs/uploads/?digest=${descriptor.digest}`;
  const response = await fetch(target, { method: 'POST', headers: { authorization }, body: new Uint8Array(bytes) });
  await response.bytes();
  return response.status;
}

test('every view fits, and is complete without scripts', async () => {
  await open(WIDE, async (page) => {
    for (const view of VIEWS) {
      await page.goto(server.url + view);
      expect([view, await overflow(page)]).toEqual([view, 0]);
    }
  });
  await open(PHONE, async (page) => {
    for (const view of VIEWS) {
      await page.goto(server.url + view);
      expect([view, await overflow(page)]).toEqual([view, 0]);
    }
  });
});

test.each([
  ['light', ''],
  // Only colours differ.
  ['dark', '{ runOnly: ["color-contrast"] }'],
] as const)('axe-core finds nothing serious, %s', async (colorScheme, options) => {
  await open({ ...WIDE, colorScheme, bypassCSP: true }, async (page) => {
    for (const view of VIEWS) {
      await page.goto(server.url + view);
      expect([view, await seriousFaults(page, options)]).toEqual([view, []]);
    }
  });
});

test('a robot is created without scripts, pushes with the secret that is shown once, and is revoked', async () => {
  await open({ javaScriptEnabled: false }, async (page) => {
    await page.goto(`${server.url}/ui/access`);
    await clickThrough(page, page.getByRole('link', { name: 'Access' }).first());
    await page.getByLabel('New robot').fill('ci-page');
    await page.getByLabel('Lifetime').fill('30d');
    const answered = page.waitForResponse((response) => response.request().method() === 'POST');
    await clickThrough(page, page.getByRole('button', { name: 'Create' }));
    const answer = await answered;
    expect([answer.status(), answer.headers()['cache-control']]).toEqual([200, 'no-store']);
    const secret = (await page.locator('.command code').allInnerTexts()).find((text) => text.startsWith('marina_rt_'));
    expect(secret).toBeDefined();
    expect(page.url()).not.toContain('marina_rt_');
    const authorization = `Basic ${btoa(`robot+ci-page:${secret}`)}`;
    expect(await push('ours/app', authorization)).toBe(201);
    expect(await push('theirs/app', authorization)).toBe(403);
    await page.goto(`${server.url}/ui/access?q=ci-page`);
    expect(await page.content()).not.toContain('marina_rt_');
    await clickThrough(page, page.getByRole('button', { name: 'Revoke ci-page' }));
    expect(await page.locator('h1').textContent()).toBe('Revoke ci-page?');
    expect(await push('ours/app', authorization)).toBe(201);
    await page.getByRole('button', { name: 'Revoke' }).click();
    await page.waitForURL(`${server.url}/ui/access`);
    expect(await page.getByRole('main').getByText('ci-page').count()).toBe(0);
    expect(await push('ours/app', authorization)).toBe(401);
  });
});

test('a rotation says what ends, and the old secret ends', async () => {
  const { login, secret: old } = await changed({ action: 'create', name: 'ci-turned' });
  await open({}, async (page) => {
    await page.goto(`${server.url}/ui/access`);
    await clickThrough(page, page.getByRole('button', { name: 'Rotate ci-turned' }));
    expect(await page.getByRole('main').textContent()).toContain('Its old secret');
    await clickThrough(page, page.getByRole('button', { name: 'Rotate' }));
    const secret = (await page.locator('.command code').allInnerTexts()).find((text) => text.startsWith('marina_rt_'));
    expect(await push('ours/app', `Basic ${btoa(`${login}:${old}`)}`)).toBe(401);
    expect(await push('ours/app', `Basic ${btoa(`${login}:${secret}`)}`)).toBe(201);
  });
});

test('what a form cannot do is said on a page', async () => {
  await open({}, async (page) => {
    for (const [name, lifetime, reason] of [
      ['deploy', '', 'already exists'],
      ['Not a name', '', 'the name of a robot'],
      ['new', 'soon', 'the lifetime of a robot'],
    ] as const) {
      await page.goto(`${server.url}/ui/access`);
      await page.getByLabel('New robot').fill(name);
      await page.getByLabel('Lifetime').fill(lifetime);
      await clickThrough(page, page.getByRole('button', { name: 'Create' }));
      expect((await page.locator('.empty-text').textContent())?.toLowerCase()).toContain(reason);
    }
  });
});

test('explains which rule allows something, or why none does', async () => {
  await open({}, async (page) => {
    await page.goto(`${server.url}/ui/access`);
    await page.getByLabel('Who', { exact: true }).fill('reader');
    await page.getByLabel('Repository', { exact: true }).fill('ours/app');
    await page.getByRole('button', { name: 'Explain' }).click();
    await page.waitForURL(/who=reader/);
    const row = (name: string) => page.getByRole('row', { name: new RegExp(`^${name} `) });
    expect(await row('Pull').textContent()).toContain('allowedAllowed by rule 1.');
    expect(await row('Delete').textContent()).toContain('its actions do not include delete');
    await page.getByLabel('Who', { exact: true }).fill('robot:ci-x');
    await page.getByLabel('Action').selectOption('push');
    await page.getByRole('button', { name: 'Explain' }).click();
    await page.waitForURL(/who=robot/);
    expect(await page.locator('.explained-who').textContent()).toContain('platform');
    await row('Push, and move tags').getByRole('link', { name: 'rule 2' }).click();
    await page.waitForURL(/#rule-2$/);
  });
});

test('the registry is made read-only without scripts: a push is refused, and accepted again later', async () => {
  await open({ javaScriptEnabled: false }, async (page) => {
    await page.goto(`${server.url}/ui/operations`);
    await page.getByRole('button', { name: 'Make read-only' }).click();
    await page.waitForURL(`${server.url}/ui/operations?done=read-only`);
    await whole(page);
    expect(await page.getByRole('main').textContent()).toContain('by admin');
    // Every thread refuses at once.
    for (let each = 0; each < 10; each++) expect(await push('ours/app', ADMIN.authorization)).toBe(503);
    await clickThrough(page, page.getByRole('button', { name: 'Pause chat' }));
    expect(await page.locator('.empty-text').textContent()).toContain('read-only');
    await page.goto(`${server.url}/ui/operations`);
    await page.getByRole('button', { name: 'Accept writes' }).click();
    await page.waitForURL(`${server.url}/ui/operations?done=read-only`);
    expect(await push('ours/app', ADMIN.authorization)).toBe(201);
  });
  await eventually(() => {
    const orders = server
      .logs()
      .split('\n')
      .filter((line) => line.includes('an administrator gave an order'));
    const lines: Record<string, unknown>[] = orders.map((line) => JSON.parse(line));
    const turned = lines.filter(({ order }) => JSON.stringify(order).includes('read-only'));
    expect(turned.map(({ actor }) => actor)).toEqual(['user:admin', 'user:admin']);
  });
});

test('a webhook is tested, paused and resumed, and gets changes again', async () => {
  await open({}, async (page) => {
    const order = async (name: string, done: string): Promise<void> => {
      await page.goto(`${server.url}/ui/operations`);
      await page.getByRole('button', { name: `${name} chat` }).click();
      await page.waitForURL(`${server.url}/ui/operations?done=${done}`);
    };
    answered = 500;
    await page.goto(`${server.url}/ui/operations`);
    await clickThrough(page, page.getByRole('button', { name: 'Test chat' }));
    expect(await page.getByText('The webhook chat did not accept the test: the status 500.').count()).toBe(1);
    answered = 204;
    await page.getByRole('button', { name: 'Test chat' }).click();
    await page.getByText('The webhook chat accepted the test: the status 204').waitFor();
    await order('Pause', 'pause-webhook');
    await whole(page);
    expect(await page.getByRole('list', { name: 'Webhooks' }).textContent()).toContain('paused');
    await order('Resume', 'resume-webhook');
    await page.getByText('Replay chat').click();
    await page.getByLabel('Since').fill('never');
    await clickThrough(page, page.getByRole('button', { name: 'Deliver again' }));
    expect(await page.locator('.empty-text').textContent()).toContain('not a cursor');
    await page.goto(`${server.url}/ui/operations`);
    await page.getByText('Replay chat').click();
    await page.getByLabel('Since').fill('beginning');
    await page.getByRole('button', { name: 'Deliver again' }).click();
    await page.waitForURL(`${server.url}/ui/operations?done=replay-webhook`);
  });
});

test('a collection is requested, and its numbers are shown when it has ended', async () => {
  await open({}, async (page) => {
    await page.goto(`${server.url}/ui/operations`);
    await page.getByRole('button', { name: 'Collect now' }).click();
    await page.waitForURL(`${server.url}/ui/operations?done=collect`);
    await eventually(async () => {
      await page.goto(`${server.url}/ui/operations`);
      // They are not there before, and no reading of a locator waits for them in vain.
      expect((await page.locator('.run-numbers').allTextContents()).join()).toContain('Freed');
    });
    // Without rules there is nothing to run.
    expect(await page.getByText('RETENTION_FILE says what is kept').count()).toBe(1);
    expect(await page.getByRole('button', { name: 'Run now' }).count()).toBe(0);
  });
});

test('backups that ended are shown, whole or not, and none is lost because of its report', async () => {
  const place = join(temporaryFolder('backups'), 'place');
  const file = join(temporaryFolder('backups'), 'file');
  writeFileSync(file, 'no folder');
  const { dataPath } = server;
  const expectEnd = async (code: number, to: string, name: string): Promise<void> => {
    const ended = await marina(dataPath, 'backup', to, '--name', name);
    expect([ended.code, code === 0 ? ended.stderr : '']).toEqual([code, '']);
  };
  expect(await push('ours/kept', ADMIN.authorization)).toBe(201);
  await expectEnd(0, place, 'whole');
  await expectEnd(2, place, 'whole');
  await expectEnd(2, file, 'on-a-file');
  const { backups, holds } = await operations<{ backups: { backups: object[] }; holds: object }>();
  expect(holds).toEqual({ holds: [] });
  expect(backups.backups).toMatchObject([
    {
      name: 'on-a-file',
      place: file,
      whole: false,
      failed: expect.stringContaining(`${file} `),
      added: { objects: 0 },
    },
    { name: 'whole', place, whole: false, failed: expect.stringContaining('choose another name') },
    { name: 'whole', place, by: OPERATOR_HERE, whole: true, cut: { repositories: expect.any(Number) } },
  ]);
  expect(await post('/api/v1/operations', { action: 'read-only', on: true }).then(({ status }) => status)).toBe(200);
  await expectEnd(0, place, 'while-read-only');
  expect(await post('/api/v1/operations', { action: 'read-only', on: false }).then(({ status }) => status)).toBe(200);
  await open({ javaScriptEnabled: false }, async (page) => {
    await page.goto(`${server.url}/ui/operations`);
    await whole(page);
    const rows = page.getByRole('table', { name: /^Backups/ }).getByRole('row');
    expect(await rows.count()).toBe(4);
    expect(await rows.nth(1).textContent()).toContain(`${file} `);
    expect(await rows.nth(3).textContent()).toMatch(/^whole[\s\S]*whole[\s\S]*objects?(?:just now|\d+ min ago)/);
    for (const { viewport } of [WIDE, PHONE]) {
      await page.setViewportSize(viewport);
      expect(await overflow(page)).toBe(0);
    }
  });
});

describe('who may not administer', () => {
  test('sees neither the page nor a link to it, and changes nothing', async () => {
    const anonymous = new Visitor(server.url);
    expect((await anonymous.get('/ui/access')).location).toBe('/ui/login?to=%2Fui%2Faccess');
    expect((await anonymous.get('/ui/operations')).location).toBe('/ui/login?to=%2Fui%2Foperations');
    const reader = new Visitor(server.url);
    await reader.logIn('reader', passwordOf('reader'));
    const home = await reader.get('/ui/');
    expect([home.status, home.html.includes('href="/ui/access"')]).toEqual([200, false]);
    const refused = await reader.get('/ui/access');
    expect([refused.status, refused.html.includes('ci-old')]).toEqual([403, false]);
    const [token] = [...home.html.matchAll(/name="form" value="([^"]+)"/g)].map(([, value = '']) => value);
    const fields = [
      ['form', token ?? ''],
      ['change', 'revoke'],
      ['name', 'ci-old'],
      ['confirmed', 'yes'],
    ] as const;
    expect((await reader.post('/ui/access/robots', fields)).status).toBe(403);
    expect((await reader.get('/ui/operations')).status).toBe(403);
    for (const path of [
      '/api/v1/operations',
      '/api/v1/access',
      '/api/v1/robots',
      '/api/v1/access/explain?who=admin&repository=a',
    ])
      expect((await fetch(server.url + path, { headers: { authorization: basic('reader') } })).status).toBe(403);
    const headers = { authorization: basic('reader') };
    expect((await post('/api/v1/robots', { action: 'revoke', name: 'ci-old' }, headers)).status).toBe(403);
    const { robots } = await get<{ robots: { name: string }[] }>('/api/v1/robots');
    expect(robots.map(({ name }) => name)).toContain('ci-old');
  });

  test('a form without the token of this log-in changes nothing', async () => {
    const admin = new Visitor(server.url);
    await admin.logIn('admin', passwordOf('admin'));
    const fields = [
      ['change', 'revoke'],
      ['name', 'ci-old'],
      ['confirmed', 'yes'],
    ] as const;
    expect((await admin.post('/ui/access/robots', fields)).status).toBe(403);
  });
});

async function get<T>(target: string, template = target): Promise<T> {
  return (await expectDocumented(server.url, document, [template, target], 200, ADMIN)) as T;
}

/** What the API says of the operations, once every part was read in time. */
async function operations<T>(): Promise<T> {
  const { promise, resolve } = Promise.withResolvers<T>();
  await eventually(async () => {
    const found = await get<T>('/api/v1/operations');
    expect(JSON.stringify(found)).not.toContain(UNREAD);
    resolve(found);
  });
  return await promise;
}

describe('/api/v1', () => {
  test('tells accounts, rules and robots without passwords and secrets, as documented', async () => {
    const access = await get<{ source: string; accounts: { name: string; groups: string[] }[]; rules: object[] }>(
      '/api/v1/access',
    );
    expect(access.source).toBe('rules');
    expect(access.accounts).toContainEqual({ name: 'admin', groups: ['platform'] });
    expect(access.rules).toHaveLength(3);
    const robots = await get<{ robots: object[]; count: number }>('/api/v1/robots?q=deploy', '/api/v1/robots');
    expect(robots).toMatchObject({ count: 1, robots: [{ name: 'deploy', by: 'user:admin', expired: false }] });
    expect(JSON.stringify([access, robots])).not.toMatch(/\$2[aby]\$|[0-9a-f]{64}/);
    const asked = '/api/v1/access/explain?who=reader&repository=ours/app&action=push';
    expect(await get<object>(asked, '/api/v1/access/explain')).toMatchObject({
      actor: 'user:reader',
      actions: [{ action: 'push', allowed: false, rule: 1, but: 'its actions do not include push' }],
    });
  });

  test('tells how the registry runs, and takes orders, as documented', async () => {
    const seen = await operations<{ node: { threads: object[] } }>();
    expect(seen).toMatchObject({
      node: { shape: 'embedded', storage: 'filesystem' },
      services: [{ name: 'store' }],
      writes: { state: 'writable' },
      webhooks: { webhooks: [{ name: 'chat', format: 'cloudevents' }] },
      replica: {},
      holds: { holds: [] },
      processes: { processes: [{ role: 'node', this: true, state: 'alive', address: server.url }] },
    });
    const { processes } = await operations<{ processes: { processes: { rules: string }[] } }>();
    expect(processes.processes.map(({ rules }) => rules.length)).toEqual([64]);
    const order = async (body: object): Promise<unknown> => (await post('/api/v1/operations', body)).json();
    expect(await order({ action: 'test-webhook', name: 'chat' })).toEqual({
      done: true,
      message: 'the webhook chat accepted the test: the status 204',
    });
    expect(await order({ action: 'collect' })).toMatchObject({ done: false });
    for (const body of [
      { action: 'retry-job', id: 'collect:1' },
      { action: 'retain' },
      { action: 'pause-webhook', name: 'other' },
      { action: 'promote' },
    ])
      expect((await post('/api/v1/operations', body)).status).toBe(400);
    const reader = { authorization: basic('reader') };
    expect((await post('/api/v1/operations', { action: 'read-only', on: true }, reader)).status).toBe(403);
  });

  test('changes robots, and the log says who did it, without the secret', async () => {
    await changed({ action: 'create', name: 'audited' });
    await changed({ action: 'revoke', name: 'audited' });
    await eventually(() => {
      const lines = server
        .logs()
        .split('\n')
        .filter((line) => line.includes('"robot":"audited"'));
      const audit: Record<string, unknown>[] = lines.map((line) => JSON.parse(line));
      expect(audit.map(({ msg, actor, change }) => [msg, actor, change]).sort()).toEqual([
        ['a robot was changed', 'user:admin', 'create'],
        ['a robot was changed', 'user:admin', 'revoke'],
      ]);
    });
    expect(server.logs()).not.toContain('marina_rt_');
  });

  test.each([
    ['another type', { action: 'revoke', name: 'ci-old' }, { 'content-type': 'text/plain' }, 400],
    ['an unknown action', { action: 'rename', name: 'ci-old' }, {}, 400],
    ['a lifetime that is none', { action: 'create', name: 'x', lifetime: 'soon' }, {}, 400],
    ['a request of a web page', { action: 'revoke', name: 'ci-old' }, { origin: 'https://evil.example' }, 403],
  ])('refuses %s', async (_, body, headers, status) => {
    expect((await post('/api/v1/robots', body, { ...ADMIN, ...headers })).status).toBe(status);
    expect(
      (await fetch(`${server.url}/api/v1/robots`, { method: 'DELETE', headers: ADMIN })).headers.get('allow'),
    ).toBe('GET, HEAD, POST');
  });
});
