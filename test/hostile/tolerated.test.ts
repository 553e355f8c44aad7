// Requests that look hostile but must be served, because the protocol says so or because a registry ignores their odd parts.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { eventually } from '../support/eventually.ts';
import { content, expectStatus, image, json, mediaTypes, pushBlob, randomBlob } from '../support/oci.ts';
import { cleanUp, type Server } from '../support/server.ts';
import { expectUnchanged, openSite, type Site, settled, treeOf } from './site.ts';
import { type Answer, exchange, type Piece, request } from './wire.ts';

let site: Site;

beforeAll(async () => {
  site = await openSite();
});
afterAll(cleanUp);

async function answerTo(pieces: readonly Piece[], head = false): Promise<Answer> {
  const outcome = await exchange(site.server.port, pieces, head);
  if (outcome === 'closed') throw new Error('closed without an answer');
  return outcome;
}

/** The lines that the server has logged, parsed. Those of different threads have no order. */
function linesOf(server: Server): Record<string, unknown>[] {
  // The end of the last line may not be written yet.
  const lines = server.logs().split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line));
}

test.each([
  ['nothing', ''],
  ['a path', '../../etc/passwd'],
  ['an encoded path', '..%2f..%2fetc%2fpasswd'],
  ['a NUL', '%00'],
  ['bytes that are not UTF-8', '%ff%fe'],
  ['a percent sign', '%'],
  ['a line break, for the Link header', '%0d%0aX-Injected:%20b'],
  ['8 KB', 'z'.repeat(8_000)],
  ['the key __proto__', '__proto__'],
])('a page after %s is an ordinary page', async (_, last) => {
  const before = await settled(site);
  for (const target of [`/v2/${site.repo}/tags/list?n=1&last=${last}`, `/v2/_catalog?n=1&last=${last}`]) {
    const { status, headers, body } = await answerTo(request('GET', target));
    expect(status).toBe(200);
    expect(JSON.parse(body)).toBeObject();
    expect(headers.has('x-injected')).toBe(false);
  }
  await expectUnchanged(site, before);
});

const FORWARDED = {
  'X-Forwarded-Host': 'evil.example',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Port': '444',
  'X-Forwarded-Prefix': '/elsewhere',
  'X-Forwarded-For': '203.0.113.7',
  'X-Real-IP': '203.0.113.7',
  'X-Original-URL': '/v2/_catalog',
  'X-Rewrite-URL': '/v2/_catalog',
  'X-HTTP-Method-Override': 'DELETE',
  Forwarded: 'for=203.0.113.7;host=evil.example;proto=https',
};

test('headers of an untrusted proxy change nothing: no Location, no method, no address in the log', async () => {
  const { repo, tag, image, server } = site;
  const requests = [
    request('POST', `/v2/${repo}/blobs/uploads/`, { headers: FORWARDED }),
    request('PUT', `/v2/${repo}/manifests/forwarded`, {
      headers: { ...FORWARDED, 'Content-Type': mediaTypes.manifest },
      body: image.bytes,
    }),
  ];
  for (const pieces of requests) {
    const { status, headers } = await answerTo(pieces);
    expect([202, 201]).toContain(status);
    expect(headers.get('location')).toStartWith(`/v2/${repo}/`);
    expect([...headers.values()].join()).not.toContain('evil');
  }
  const served = await answerTo(request('GET', `/v2/${repo}/manifests/${tag}`, { headers: FORWARDED }));
  expect(served.body).toBe(new TextDecoder().decode(image.bytes));
  // The access line has the peer of the connection, not the address in the headers. Events, which are kept forever, have none.
  await eventually(() => {
    expect(linesOf(server)).toContainEqual(
      expect.objectContaining({ method: 'GET', client: '127.0.0.1', actor: 'anonymous' }),
    );
  });
  expect(server.logs()).not.toContain('203.0.113.7');
  const log = [...treeOf(server.dataPath).keys()].filter((name) => name.startsWith(`repos/${repo}/_log/`));
  const slots = await Promise.all(log.map((name) => Bun.file(`${server.dataPath}/${name}`).text()));
  expect(slots.join()).toContain('"actor":"anonymous"');
  expect(slots.join()).not.toMatch(/203\.0\.113\.7|127\.0\.0\.1/);
});

test('headers of a trusted proxy set Locations and the client address; malformed ones are ignored', async () => {
  const trusting = await openSite({ TRUST_PROXY: '127.0.0.1' });
  const { repo, server } = trusting;
  const started = async (headers: Readonly<Record<string, string>>): Promise<string> => {
    const outcome = await exchange(server.port, request('POST', `/v2/${repo}/blobs/uploads/`, { headers }));
    if (outcome === 'closed') throw new Error('closed without an answer');
    expect(outcome.status).toBe(202);
    return outcome.headers.get('location') ?? '';
  };
  const said = { 'X-Forwarded-Host': 'r.example:8443', 'X-Forwarded-Proto': 'https' };
  const location = await started(said);
  expect(location).toStartWith(`https://r.example:8443/v2/${repo}/blobs/uploads/`);
  for (const [name, value] of [
    ['X-Forwarded-Host', 'evil.example/path'],
    ['X-Forwarded-Host', 'a.example, b.example'],
    ['X-Forwarded-Host', '\\\\evil'],
    ['X-Forwarded-Host', '\xff\xfe'],
    ['X-Forwarded-Host', 'x'.repeat(8_000)],
    ['X-Forwarded-Proto', 'javascript'],
    ['X-Forwarded-Proto', 'https,http'],
  ] as const) {
    expect(await started({ ...said, [name]: value })).toStartWith(`/v2/${repo}/blobs/uploads/`);
  }
  const { image } = trusting;
  for (const [tag, forwardedFor, client] of [
    ['good', '203.0.113.7', '203.0.113.7'],
    ['odd', '"><img>, \xff', '127.0.0.1'],
    ['long', '203.0.113.8,'.repeat(500), '127.0.0.1'],
  ] as const) {
    const headers = { ...said, 'X-Forwarded-For': forwardedFor, 'Content-Type': mediaTypes.manifest };
    const target = `/v2/${repo}/manifests/forwarded-${tag}`;
    const outcome = await exchange(server.port, request('PUT', target, { headers, body: image.bytes }));
    if (outcome === 'closed') throw new Error('closed without an answer');
    expect([outcome.status, outcome.headers.get('location')?.startsWith('https://r.example:8443/v2/')]).toEqual([
      201,
      true,
    ]);
    const slots = [...treeOf(server.dataPath).keys()].filter((name) => name.startsWith(`repos/${repo}/_log/`)).sort();
    expect(await Bun.file(`${server.dataPath}/${slots.at(-1)}`).text()).toContain('"actor":"anonymous"');
    await eventually(() => {
      expect(linesOf(server)).toContainEqual(expect.objectContaining({ path: target, client, actor: 'anonymous' }));
    });
  }
});

test.each([
  ['in another unit', 'items=0-1'],
  ['without a unit', '0-1'],
])('a Range %s is ignored', async (_, range) => {
  const { repo, blob } = site;
  const headers = { Range: range };
  const { status, body } = await answerTo(request('GET', `/v2/${repo}/blobs/${blob.descriptor.digest}`, { headers }));
  expect([status, body]).toEqual([200, new TextDecoder().decode(blob.bytes)]);
});

test.each([
  ['HTTP/1.0 without a Host', 'HTTP/1.0\r\n'],
  ['HTTP/1.1 with an empty Host', 'HTTP/1.1\r\nHost:\r\n'],
  ['HTTP/1.1 with a Host of another name', 'HTTP/1.1\r\nHost: evil.example:1\r\n'],
])('%s is served', async (_, rest) => {
  const { repo, tag, image, blob } = site;
  const manifest = await answerTo([`GET /v2/${repo}/manifests/${tag} ${rest}\r\n`]);
  expect(manifest.body).toBe(new TextDecoder().decode(image.bytes));
  const bytes = await answerTo([`GET /v2/${repo}/blobs/${blob.descriptor.digest} ${rest}\r\n`]);
  expect(bytes.body).toBe(new TextDecoder().decode(blob.bytes));
  const upload = await answerTo([`POST /v2/${repo}/blobs/uploads/ ${rest}Content-Length: 0\r\n\r\n`]);
  expect([upload.status, upload.headers.get('location')?.startsWith('/v2/')]).toEqual([202, true]);
});

test('a URL with a host, or with dots that are resolved, is the same as without', async () => {
  const { repo, tag, image } = site;
  const wanted = new TextDecoder().decode(image.bytes);
  for (const target of [
    `http://elsewhere.example/v2/${repo}/manifests/${tag}`,
    `/v2/x/../${repo}/manifests/./${tag}`,
    `/v2/${repo}/manifests/${image.descriptor.digest.replace(':', '%3A')}`,
  ]) {
    expect((await answerTo(request('GET', target))).body).toBe(wanted);
  }
});

test.each([
  ['a repository that does not exist', () => 'no/such/repository'],
  ['a repository without that blob', ({ other }: Site) => other],
  ['itself', ({ repo }: Site) => repo],
])('a mount from %s starts an upload', async (_, from) => {
  // What earlier tests pushed is noted later.
  const before = await settled(site);
  const absent = `sha256:${'ab'.repeat(32)}`;
  const target = `/v2/${site.repo}/blobs/uploads/?mount=${absent}&from=${from(site)}`;
  const { status, headers } = await answerTo(request('POST', target));
  expect(status).toBe(202);
  const upload = headers.get('location') ?? '';
  expect(await answerTo(request('GET', upload))).toMatchObject({ status: 204 });
  expect(await answerTo(request('DELETE', upload))).toMatchObject({ status: 204 });
  await expectUnchanged(site, before);
});

test('a manifest that looks like a web page is served unchanged, but browsers do not run it', async () => {
  const body = '{"a":"<script>alert(1)</script>"}';
  const headers = { 'Content-Type': 'text/html' };
  const target = `/v2/${site.repo}/manifests/page`;
  expect(await answerTo(request('PUT', target, { headers, body }))).toMatchObject({ status: 201 });
  const served = await answerTo(request('GET', target));
  expect([served.body, served.headers.get('content-type')]).toEqual([body, 'text/html']);
  expect(served.headers.get('content-security-policy')).toBe('sandbox');
  const image = await answerTo(request('GET', `/v2/${site.repo}/manifests/${site.tag}`));
  expect(image.headers.has('content-security-policy')).toBe(false);
});

test.each<[string, (site: Site) => string]>([
  ['the version', () => '/v2/'],
  ['the catalog', () => '/v2/_catalog'],
  ['the tags', ({ repo }) => `/v2/${repo}/tags/list?n=1`],
  ['the referrers', ({ repo, image }) => `/v2/${repo}/referrers/${image.descriptor.digest}`],
  ['a manifest', ({ repo, tag }) => `/v2/${repo}/manifests/${tag}`],
  ['a blob', ({ repo, blob }) => `/v2/${repo}/blobs/${blob.descriptor.digest}`],
  ['an upload', ({ foreign }) => foreign],
  ['an unknown repository', () => '/v2/no/such/tags/list'],
])('HEAD of %s is GET without the body, and the log has the bytes sent', async (_, target) => {
  const before = linesOf(site.server).length;
  const got = await answerTo(request('GET', target(site)));
  const head = await answerTo(request('HEAD', target(site)), true);
  const headersOf = ({ headers }: Answer) => Object.fromEntries([...headers].filter(([name]) => name !== 'date'));
  expect([head.status, headersOf(head), head.text.endsWith('\r\n\r\n')]).toEqual([got.status, headersOf(got), true]);
  await eventually(() => {
    const lines = linesOf(site.server).slice(before);
    const lineOf = (method: string) => lines.find((line) => line.method === method && line.path === target(site));
    expect(lineOf('GET')).toMatchObject({ bytesOut: got.body.length });
    expect(lineOf('HEAD')).toMatchObject({ bytesOut: 0 });
  });
});

test('requests outside the API are logged and counted, so that scanners are visible', async () => {
  const { server } = site;
  const count = async (): Promise<number> => {
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    return Number(/^marina_requests_total\{route="invalid",status="404"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
  };
  const before = await count();
  for (const [method, path] of [
    ['GET', '/wp-login.php'],
    ['POST', '/metrics'],
    ['HEAD', '/.env'],
  ] as const) {
    expect(await answerTo(request(method, path), method === 'HEAD')).toMatchObject({ status: 404 });
    await eventually(() => {
      expect(linesOf(server)).toContainEqual(
        expect.objectContaining({ method, path, route: 'invalid', status: 404, client: '127.0.0.1' }),
      );
    });
  }
  expect(await count()).toBe(before + 3);
});

test('responses tell browsers not to guess their type, and caches what to keep', async () => {
  const { repo, tag, image, blob, server } = site;
  const large = randomBlob(9 * 1024 * 1024);
  await pushBlob(server.url, repo, large);
  const digest = image.descriptor.digest;
  const forever = 'public, max-age=31536000, immutable';
  const ofBlob = `/v2/${repo}/blobs/${blob.descriptor.digest}`;
  for (const [target, cached, headers] of [
    ['/', undefined, {}],
    ['/healthz', 'no-store', {}],
    ['/readyz', 'no-store', {}],
    ['/metrics', 'no-store', {}],
    ['/nothing', 'no-store', {}],
    ['/v2/', undefined, {}],
    [`/v2/${repo}/tags/list`, undefined, {}],
    [`/v2/${repo}/manifests/absent`, 'no-store', {}],
    [`/v2/${repo}/manifests/${tag}`, 'no-cache', {}],
    [`/v2/${repo}/manifests/${tag}`, 'no-cache', { 'If-None-Match': `"${digest}"` }],
    [`/v2/${repo}/manifests/${digest}`, undefined, {}],
    [ofBlob, forever, {}],
    [ofBlob, forever, { Range: 'bytes=1-2' }],
    [ofBlob, forever, { 'If-None-Match': '*' }],
    // The kernel sends this one from a file.
    [`/v2/${repo}/blobs/${large.descriptor.digest}`, forever, {}],
  ] as const) {
    for (const method of ['GET', 'HEAD'] as const) {
      const answer = await answerTo(request(method, target, { headers }), method === 'HEAD');
      expect([target, answer.headers.get('x-content-type-options')]).toEqual([target, 'nosniff']);
      expect([target, answer.headers.get('cache-control')]).toEqual([target, cached]);
    }
  }
});

test('pages of an origin in CORS_ORIGINS can push, pull and read the response headers; other pages cannot', async () => {
  const ui = 'https://ui.example';
  const { server, repo, image, tag } = await openSite({ CORS_ORIGINS: `${ui},http://localhost:8080` });
  const from = (origin: string, more: Record<string, string> = {}) => ({
    headers: { Origin: origin, 'Sec-Fetch-Site': 'cross-site', ...more },
  });
  const send = async (...[method, target, parts]: Parameters<typeof request>): Promise<Answer> => {
    const outcome = await exchange(server.port, request(method, target, parts));
    if (outcome === 'closed') throw new Error('closed without an answer');
    return outcome;
  };
  const uploads = `/v2/${repo}/blobs/uploads/`;
  const asked = await send('OPTIONS', uploads, from(ui, { 'Access-Control-Request-Method': 'POST' }));
  expect([asked.status, asked.body]).toEqual([204, '']);
  expect(asked.headers.get('access-control-allow-origin')).toBe(ui);
  expect(asked.headers.get('access-control-allow-methods')).toContain('POST');
  expect(asked.headers.get('access-control-allow-headers')).toContain('Content-Range');
  const begun = await send('POST', uploads, from(ui));
  expect([begun.status, begun.headers.get('access-control-allow-origin')]).toEqual([202, ui]);
  expect(begun.headers.get('access-control-expose-headers')).toContain('Location');
  const put = { ...from(ui, { 'Content-Type': mediaTypes.manifest }), body: image.bytes };
  expect((await send('PUT', `/v2/${repo}/manifests/page`, put)).status).toBe(201);
  // Also refusals, and files.
  const absent = await send('GET', `/v2/${repo}/manifests/absent`, from(ui));
  expect([absent.status, absent.headers.get('access-control-allow-origin')]).toEqual([404, ui]);
  const large = randomBlob(9 * 1024 * 1024);
  await pushBlob(server.url, repo, large);
  const pulled = await send('GET', `/v2/${repo}/blobs/${large.descriptor.digest}`, from(ui));
  expect([pulled.status, pulled.headers.get('access-control-allow-origin')]).toEqual([200, ui]);
  // The same manifest for two origins and for none: caches must not mix the responses.
  for (const origin of [ui, 'http://localhost:8080', 'https://evil.example', undefined]) {
    const answer = await send('GET', `/v2/${repo}/manifests/${tag}`, origin === undefined ? {} : from(origin));
    expect([answer.status, answer.headers.get('vary')]).toEqual([200, 'Origin']);
    expect(answer.headers.get('access-control-allow-origin')).toBe(origin?.includes('evil') ? undefined : origin);
  }
  const evil = from('https://evil.example', { 'Access-Control-Request-Method': 'POST' });
  expect((await send('OPTIONS', uploads, evil)).status).toBe(405);
  const refused = await send('POST', uploads, evil);
  expect([refused.status, refused.headers.has('access-control-allow-origin')]).toEqual([403, false]);
  expect(refused.body).toContain('CORS_ORIGINS');
});

test('a manifest with an absent non-distributable layer is accepted, with a warning on push, pull and HEAD', async () => {
  const { server, repo } = site;
  const absent = content(new TextEncoder().encode('elsewhere'), `${mediaTypes.layer}.nondistributable`);
  const { mediaType, manifest, blobs } = { ...image(), mediaType: mediaTypes.manifest };
  for (const blob of blobs) await pushBlob(server.url, repo, blob);
  const layers = [...(manifest.layers ?? []), { ...absent.descriptor, urls: ['https://elsewhere.example/layer'] }];
  const pushed = json({ ...manifest, layers }, mediaType);
  const url = `${server.url}/v2/${repo}/manifests/foreign`;
  const warning = `299 - "a non-distributable layer is not in this registry: ${absent.descriptor.digest}"`;
  const init = { method: 'PUT', headers: { 'content-type': mediaType }, body: pushed.bytes };
  expect((await expectStatus(201, url, init)).headers.get('warning')).toBe(warning);
  expect((await expectStatus(200, url)).headers.get('warning')).toBe(warning);
  expect((await expectStatus(200, url, { headers: { 'if-none-match': '"x"' } })).headers.get('warning')).toBe(warning);
  expect((await expectStatus(200, url, { method: 'HEAD' })).headers.get('warning')).toBe(warning);
  await pushBlob(server.url, repo, absent);
  for (const method of ['GET', 'HEAD']) {
    expect((await expectStatus(200, url, { method })).headers.get('warning')).toBeNull();
  }
});
