// UI=false and UI_READ_ONLY, and the page of a registry without accounts.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { indexed } from '../support/indexed.ts';
import { image, pushImage } from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';
import { hiddenFields, Visitor } from './page-client.ts';

setDefaultTimeout(300_000);

const REPO = 'team/app';
const PAGE = `/ui/repositories/${REPO}`;
const DELETE = `${PAGE}/-/delete`;

let open: Server;
let readOnly: Server;
let off: Server;
let present: Server;
beforeAll(async () => {
  [open, readOnly, off, present] = await Promise.all([
    startServer({ THREADS: '1', TRUST_PROXY: 'loopback' }),
    startServer({ THREADS: '1', UI_READ_ONLY: 'true' }),
    startServer({ THREADS: '1', UI: 'false' }),
    startServer({ THREADS: '1', PAST_PREFIX: '' }),
  ]);
  for (const { url } of [open, readOnly, present]) {
    await pushImage(url, REPO, image(), 'v1');
    await indexed(url, 1);
  }
});
afterAll(cleanUp);

test('UI=false turns the page off: its addresses do not exist, and the first address is as before', async () => {
  const visitor = new Visitor(off.url);
  for (const path of ['/ui', '/ui/', PAGE, '/ui/login']) {
    const { status, html } = await visitor.get(path);
    expect([path, status, JSON.parse(html)]).toMatchObject([path, 404, { errors: [{ code: 'UNSUPPORTED' }] }]);
  }
  const first = await visitor.get('/');
  expect([first.status, first.html.includes('docker push')]).toEqual([200, true]);
});

test('UI_READ_ONLY takes the actions away, on pages and behind them', async () => {
  const visitor = new Visitor(readOnly.url);
  const shown = await visitor.get(PAGE);
  expect(shown.status).toBe(200);
  expect(shown.html).not.toContain('Delete chosen');
  const [token] = hiddenFields((await visitor.get('/ui/login')).html, '/ui/login');
  const fields: [string, string][] = [['tag', 'v1'], ['confirmed', 'yes'], ...(token === undefined ? [] : [token])];
  expect((await visitor.post(DELETE, fields)).status).toBe(403);
  expect((await visitor.get(`${PAGE}:v1`)).status).toBe(200);
  const operations = await visitor.get('/ui/operations');
  expect([operations.status, operations.html.includes('method="post"')]).toEqual([200, false]);
  const order: [string, string][] = [...fields, ['order', 'read-only'], ['on', 'true']];
  expect((await visitor.post('/ui/operations', order)).status).toBe(403);
});

test('UI_READ_ONLY leaves the past without actions, too', async () => {
  const address = `/ui/at/1/repositories/${REPO}`;
  const { location } = await new Visitor(readOnly.url).get(address);
  const shown = await new Visitor(readOnly.url).get(location ?? '');
  expect([shown.status, shown.html.includes('As it was at'), shown.html.includes('method="post"')]).toEqual([
    200,
    true,
    false,
  ]);
});

test('without PAST_PREFIX the page shows no past and leads to none, but compares', async () => {
  const visitor = new Visitor(present.url);
  const { html } = await visitor.get(PAGE);
  expect(html).not.toContain('/ui/at/');
  for (const path of ['/ui/at/20200101t000000z/', `/ui/at/20200101t000000z/repositories/${REPO}`]) {
    const { status, html: shown } = await visitor.get(path);
    expect([status, shown.includes('PAST_PREFIX')]).toEqual([404, true]);
  }
  expect((await visitor.get(`/ui/compare?a=${REPO}:v1&b=${REPO}:v1`)).status).toBe(200);
});

test('without accounts everyone may act, and the page says so', async () => {
  const visitor = new Visitor(open.url);
  const { html } = await visitor.get('/ui/');
  expect(html).toContain('has no accounts');
  const asked = await visitor.submit(PAGE, DELETE, [['tag', 'v1']]);
  const deleted = await visitor.post(DELETE, hiddenFields(asked.html, DELETE));
  expect([deleted.status, (await visitor.get(`${PAGE}:v1`)).status]).toEqual([303, 404]);
  // Who asks is not known, so nobody can create accounts for later.
  const robots = { method: 'POST', headers: { 'content-type': 'application/json' } };
  const created = await fetch(`${open.url}/api/v1/robots`, { ...robots, body: '{"action":"create","name":"ci-x"}' });
  expect([created.status, (await visitor.get('/ui/access')).html.includes('New robot')]).toEqual([400, false]);
  const after = await visitor.get(deleted.location ?? '');
  const restored = await visitor.post(`${PAGE}/-/restore`, hiddenFields(after.html, `${PAGE}/-/restore`));
  expect([restored.status, (await visitor.get(`${PAGE}:v1`)).status]).toEqual([303, 200]);
});

test.each([
  ['asked for directly', { host: 'evil.example' }],
  ['passed on by a proxy', { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http' }],
] as const)(
  'under a name that another site could have pointed here, %s, visitors without an account only look',
  async (_, headers) => {
    const visitor = new Visitor(open.url, headers);
    const { html } = await visitor.get(PAGE);
    expect(html).toContain('PUBLIC_HOSTS');
    expect(html).not.toContain('Delete chosen');
    const [token] = hiddenFields((await new Visitor(open.url).get(PAGE)).html, DELETE);
    const fields: [string, string][] = [['tag', 'v1'], ['confirmed', 'yes'], ...(token === undefined ? [] : [token])];
    const refused = await visitor.post(DELETE, fields, { origin: 'http://evil.example' });
    expect(refused.status).toBe(403);
    expect((await visitor.get(`${PAGE}:v1`)).status).toBe(200);
  },
);
