// The page of a registry with accounts, from outside: who sees and does what, log-in and log-out, and forms of other sites.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { basic, passwordOf, writeAccessFiles } from '../access/world.ts';
import { eventually } from '../support/eventually.ts';
import { indexed } from '../support/indexed.ts';
import { expectStatus } from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';
import { hiddenFields, Visitor } from './page-client.ts';
import { pushAsAdmin } from './push.ts';

setDefaultTimeout(300_000);

const OURS = 'ours/app';
const FREE = 'free/app';
const OPEN_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; form-action 'self'";

let server: Server;
beforeAll(async () => {
  server = await startServer(writeAccessFiles().env);
  for (const repo of [OURS, FREE]) await pushAsAdmin(server.url, repo, 'v1');
  await indexed(server.url, 2, { authorization: basic('admin') });
});
afterAll(cleanUp);

async function loggedIn(account: string): Promise<Visitor> {
  const visitor = new Visitor(server.url);
  const answer = await visitor.logIn(account, passwordOf(account));
  expect([account, answer.status, answer.location]).toEqual([account, 303, '/ui/']);
  return visitor;
}

const page = (repo: string, rest = '') => `/ui/repositories/${repo}${rest}`;

describe('an anonymous visitor', () => {
  test('sees what anonymous clients may pull, and is sent to log in for everything else, whether it exists or not', async () => {
    const visitor = new Visitor(server.url);
    expect((await visitor.get(page(FREE))).status).toBe(200);
    for (const path of [page(OURS), page(OURS, ':v1'), page('ours/missing'), page('ours/missing', ':v1')]) {
      const { status, location } = await visitor.get(path);
      expect([status, location]).toEqual([303, `/ui/login?${new URLSearchParams({ to: path })}`]);
    }
    expect((await visitor.get(page('free/missing'))).status).toBe(404);
    expect((await visitor.get('/ui/')).html).toContain('Log in to see repositories');
  });

  test('cannot act', async () => {
    const visitor = new Visitor(server.url);
    const { html } = await visitor.get(page(FREE));
    expect(html).not.toContain('Delete');
    const token = hiddenFields((await visitor.get('/ui/login')).html, '/ui/login').filter(([name]) => name === 'form');
    expect(token).toHaveLength(1);
    const { status } = await visitor.post(page(FREE, '/-/delete'), [...token, ['tag', 'v1'], ['confirmed', 'yes']]);
    expect(status).toBe(401);
  });
});

test('the storage, and its parts as JSON, have only what the visitor may see', async () => {
  const [anonymous, reader, outsider] = [new Visitor(server.url), await loggedIn('reader'), await loggedIn('outsider')];
  expect((await anonymous.get('/ui/storage')).html).toContain('Log in to see repositories');
  expect((await anonymous.get('/ui/storage/map')).html).not.toContain(OURS);
  expect((await anonymous.get(`/ui/storage?repository=${FREE}`)).status).toBe(200);
  expect((await anonymous.get(`/ui/storage?repository=${OURS}`)).status).toBe(303);
  for (const path of [`/ui/storage?repository=${OURS}`, page(OURS, '/-/timeline')]) {
    expect([path, (await reader.get(path)).status]).toEqual([path, 200]);
    expect([path, (await outsider.get(path)).status]).toEqual([path, 404]);
  }
  const admin = await loggedIn('admin');
  // The index follows what was pushed.
  await eventually(async () => expect((await admin.get('/ui/storage/map')).html).toContain(OURS));
  for (const path of ['/ui/storage', '/ui/storage/map', '/ui/']) {
    expect((await admin.get(path)).html).toContain(OURS);
    // Without the action `catalog` an account sees repositories only by their names.
    for (const visitor of [anonymous, reader, outsider]) expect((await visitor.get(path)).html).not.toContain(OURS);
  }
});

describe('a person who has logged in', () => {
  test('sees and does what the account may, and no more', async () => {
    const [reader, outsider, deleter] = [
      await loggedIn('reader'),
      await loggedIn('outsider'),
      await loggedIn('deleter'),
    ];
    expect((await reader.get(page(OURS, ':v1'))).status).toBe(200);
    // The same answer as for a repository that does not exist.
    const [hidden, missing] = [await outsider.get(page(OURS)), await outsider.get(page('ours/absent'))];
    expect([hidden.status, missing.status]).toEqual([404, 404]);
    expect(hidden.html.replaceAll(OURS, 'x')).toBe(missing.html.replaceAll('ours/absent', 'x'));
    for (const path of [
      (repo: string) => `/ui/at/1/repositories/${repo}:v1`,
      (repo: string) => `/ui/at?moment=1&named=${repo}`,
      (repo: string) => `/ui/compare?a=${FREE}:v1&b=${repo}:v1`,
    ]) {
      const [ours, absent] = [await outsider.get(path(OURS)), await outsider.get(path('ours/absent'))];
      const plain = (html: string, repo: string) =>
        html.replaceAll(repo, 'x').replaceAll(encodeURIComponent(repo), 'x').replaceAll(repo.replace('/', '%2F'), 'x');
      expect([path(OURS), ours.status, absent.status]).toEqual([path(OURS), 404, 404]);
      expect(plain(ours.html, OURS)).toBe(plain(absent.html, 'ours/absent'));
    }
    expect((await reader.get(page(OURS))).html).not.toContain('Delete chosen');
    expect((await deleter.get(page(OURS))).html).toContain('Delete chosen');
    const [token] = hiddenFields((await reader.get('/ui/')).html, '/ui/logout');
    expect(token?.[0]).toBe('form');
    if (token === undefined) return;
    expect((await reader.post(page(OURS, '/-/delete'), [token, ['tag', 'v1'], ['confirmed', 'yes']])).status).toBe(403);
    expect((await reader.get(page(OURS, ':v1'))).status).toBe(200);
  });

  test('deletes a tag after being asked, undoes it, and another visitor sees both', async () => {
    await pushAsAdmin(server.url, OURS, 'doomed');
    const admin = await loggedIn('admin');
    const asked = await admin.submit(page(OURS), page(OURS, '/-/delete'), [['tag', 'doomed']]);
    expect(asked.status).toBe(200);
    expect(asked.html).toContain('What goes');
    const deleted = await admin.post(page(OURS, '/-/delete'), hiddenFields(asked.html, page(OURS, '/-/delete')));
    expect(deleted.status).toBe(303);
    const after = await admin.get(deleted.location ?? '');
    expect(after.html).toContain('Undo');
    const reader = await loggedIn('reader');
    expect((await reader.get(page(OURS, ':doomed'))).status).toBe(404);
    const undone = await admin.post(page(OURS, '/-/restore'), hiddenFields(after.html, page(OURS, '/-/restore')));
    expect([undone.status, undone.location]).toEqual([303, page(OURS)]);
    const back = await reader.get(page(OURS, ':doomed'));
    expect(back.status).toBe(200);
    expect(back.html).toContain('admin');
  });

  test('copies tags with the right to create, moves them with the right to push, and pins with the right to administer', async () => {
    await pushAsAdmin(server.url, OURS, 'copied');
    await pushAsAdmin(server.url, OURS, 'other');
    const [creator, pusher, admin] = [await loggedIn('creator'), await loggedIn('pusher'), await loggedIn('admin')];
    const copy = async (visitor: Visitor, name: string) =>
      await visitor.submit(page(OURS, ':copied'), page(OURS, '/-/tag'), [['name', name]]);
    const move = async (visitor: Visitor) => {
      const asked = await copy(visitor, 'other');
      return (await visitor.post(page(OURS, '/-/tag'), hiddenFields(asked.html, page(OURS, '/-/tag')))).status;
    };
    expect((await copy(creator, 'another')).status).toBe(303);
    expect([await move(creator), await move(pusher)]).toEqual([403, 303]);

    const days: [string, string] = ['days', '30'];
    const [token] = hiddenFields((await pusher.get('/ui/')).html, '/ui/logout');
    const fields = token === undefined ? [days] : [token, days];
    expect((await pusher.post(page(OURS, '/-/pin'), fields)).status).toBe(403);
    expect((await pusher.get(page(OURS))).html).not.toContain('Pin what is here now');
    expect((await admin.submit(page(OURS), page(OURS, '/-/pin'), [days])).status).toBe(303);
    const shown = (await pusher.get(page(OURS))).html;
    expect([shown.includes('id="pins"'), shown.includes('/-/unpin')]).toEqual([true, false]);
    expect((await admin.submit(page(OURS), page(OURS, '/-/unpin'))).status).toBe(303);
    expect((await pusher.get(page(OURS))).html).not.toContain('id="pins"');
  });

  test('is logged out on every thread at once, though the cookie is sent again', async () => {
    const visitor = await loggedIn('reader');
    const [cookie] = [...visitor.cookies];
    expect(cookie?.[0]).toBe('marina_session');
    if (cookie === undefined) return;
    expect((await visitor.submit('/ui/', '/ui/logout')).status).toBe(303);
    expect(visitor.cookies.size).toBe(0);
    for (let each = 0; each < 20; each++) {
      const other = new Visitor(server.url, { connection: 'close' });
      other.setCookie(...cookie);
      expect((await other.get(page(OURS))).status).toBe(303);
    }
  });
});

test('the past of a tag can be seen by those who may pull, and restored by those who may push', async () => {
  await pushAsAdmin(server.url, OURS, 'past');
  const pushed = Math.floor(Date.now() / 1_000);
  // Addresses of the past have seconds.
  while (Math.floor(Date.now() / 1_000) === pushed) await Bun.sleep(20);
  const headers = { authorization: basic('admin') };
  await expectStatus(202, `${server.url}/v2/${OURS}/manifests/past`, { method: 'DELETE', headers });
  const form = new URLSearchParams({ moment: new Date(pushed * 1_000).toISOString(), named: `${OURS}:past` });
  for (const [account, mayRestore] of [
    ['reader', false],
    ['admin', true],
  ] as const) {
    const visitor = await loggedIn(account);
    const { location } = await visitor.get(`/ui/at?${form}`);
    const shown = await visitor.get(location ?? '');
    expect([account, shown.status, shown.html.includes('Deleted since')]).toEqual([account, 200, true]);
    expect([account, shown.html.includes('Restore this')]).toEqual([account, mayRestore]);
  }
});

describe('a log-in', () => {
  test('with a wrong password says so, keeps the name, and counts as a guess', async () => {
    const visitor = new Visitor(server.url);
    const wrong = await visitor.logIn('reader', 'wrong');
    expect(wrong.status).toBe(401);
    expect(wrong.html).toContain('The name or the password is wrong');
    expect(wrong.html).toContain('value="reader"');
    expect(visitor.cookies.size).toBe(0);
    for (let each = 0; each < 10; each++) await visitor.logIn('creator', `wrong ${each}`);
    const later = await visitor.logIn('creator', 'wrong again');
    expect(later.status).toBe(429);
    expect(Number(later.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  test('leads to the page that was wanted, and only to pages of this registry', async () => {
    const visitor = new Visitor(server.url);
    const wanted = `/ui/login?${new URLSearchParams({ to: page(OURS) })}`;
    const fields: [string, string][] = [
      ['user', 'reader'],
      ['password', passwordOf('reader')],
    ];
    expect((await visitor.submit(wanted, '/ui/login', fields)).location).toBe(page(OURS));
    const other = new Visitor(server.url);
    expect((await other.submit('/ui/login?to=https://evil.example/', '/ui/login', fields)).location).toBe('/ui/');
  });

  test('sets a cookie that no script reads and no other site sends', async () => {
    const visitor = new Visitor(server.url);
    const { headers } = await visitor.logIn('reader', passwordOf('reader'));
    expect(headers.get('set-cookie')).toMatch(
      /^marina_session=\S+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/,
    );
  });

  test('does not count for the API', async () => {
    const visitor = await loggedIn('reader');
    for (const path of [`/v2/${OURS}/tags/list`, `/api/v1/repositories/${OURS}`])
      expect((await visitor.get(path)).status).toBe(401);
  });
});

describe('a form', () => {
  test.each([
    { origin: 'https://evil.example' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'null' },
  ])('of another site is refused: %p', async (headers) => {
    const admin = await loggedIn('admin');
    const fields = hiddenFields((await admin.get('/ui/')).html, '/ui/logout');
    const refused = await admin.post('/ui/logout', fields, headers);
    expect(refused.status).toBe(403);
    expect((await admin.get(page(OURS))).status).toBe(200);
  });

  test('without the token of this log-in is refused', async () => {
    const [admin, reader] = [await loggedIn('admin'), await loggedIn('reader')];
    const foreign = hiddenFields((await reader.get('/ui/')).html, '/ui/logout');
    for (const fields of [[], [['form', 'x']] as [string, string][], foreign]) {
      expect((await admin.post('/ui/logout', fields)).status).toBe(403);
    }
    expect((await admin.get(page(OURS))).status).toBe(200);
  });
});

test('every answer has the policy that lets nothing in from elsewhere', async () => {
  const visitor = new Visitor(server.url);
  const { html } = await visitor.get('/ui/login');
  const [style, script] = [
    /href="(\/ui\/assets\/[^"]+)"/.exec(html)?.[1],
    /src="(\/ui\/assets\/[^"]+)"/.exec(html)?.[1],
  ];
  for (const path of [
    '/ui/',
    '/ui/login',
    page(FREE),
    page('free/missing'),
    '/ui/nothing',
    page(OURS),
    style ?? '',
    script ?? '',
  ]) {
    const { headers } = await visitor.get(path);
    expect([path, headers.get('content-security-policy')]).toEqual([path, OPEN_POLICY]);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  }
});

test('style and scripts are small, and may be kept for ever', async () => {
  const { html } = await new Visitor(server.url).get('/ui/login');
  const names = [...html.matchAll(/(?:href|src)="(\/ui\/assets\/[^"]+)"/g)].map(([, name = '']) => name);
  expect(names).toHaveLength(2);
  let compressed = 0;
  for (const name of names) {
    const response = await fetch(server.url + name, { headers: { 'accept-encoding': 'gzip' }, decompress: false });
    expect(response.headers.get('content-encoding')).toBe('gzip');
    expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    compressed += (await response.bytes()).length;
  }
  expect(compressed).toBeLessThan(60 * 1024);
});

test('the first address leads browsers to the page, and answers others as before', async () => {
  const browser = await new Visitor(server.url).get('/');
  expect([browser.status, browser.location]).toEqual([302, '/ui/']);
  const other = await fetch(server.url, { headers: { accept: '*/*' }, redirect: 'manual' });
  expect([other.status, (await other.text()).includes('docker push')]).toEqual([200, true]);
});
