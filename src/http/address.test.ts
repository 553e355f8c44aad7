import { expect, test } from 'bun:test';
import { addressOf, unknownLabels } from './address.ts';
import { parseRoute } from './route.ts';

const HOST = 'http://registry.example:5000';
const DIGEST = `sha256:${'a'.repeat(64)}`;

test('a cached route equals the parsed one, separately for each method, with and without a host', async () => {
  const target = '/v2/library/app/manifests/latest';
  for (const method of ['GET', 'HEAD', 'GET', 'HEAD', 'DELETE']) {
    for (const host of [HOST, '']) {
      const { route, labels } = await addressOf(method, host + target);
      expect(route).toEqual(await parseRoute(method, target));
      expect(labels).toMatchObject({ method, path: target, repository: 'library/app', reference: 'latest' });
    }
  }
});

const SENT = { status: 200, bytesIn: 0, bytesOut: 10 };

test('the log labels of an address match its parts', async () => {
  const log = async (method: string, target: string) => {
    const { labels, digest } = await addressOf(method, HOST + target);
    return JSON.parse(`{${labels.jsonWith({ digest, ...SENT })}}`);
  };
  for (const [method, path, expected] of [
    ['GET', '/v2/', { route: 'ping' }],
    ['HEAD', `/v2/a/blobs/${DIGEST}`, { route: 'blob-head', repository: 'a', digest: DIGEST }],
    ['GET', `/v2/a/manifests/${DIGEST}`, { route: 'manifest-get', repository: 'a', digest: DIGEST }],
    ['PUT', '/v2/a/b/manifests/c?x="\\', { route: 'manifest-put', repository: 'a/b', reference: 'c' }],
    ['GET', '/v2/_catalog?n=1', { route: 'catalog' }],
    ['GET', '/token', { route: 'token-get' }],
    ['POST', '/token', { route: 'token-post' }],
    ['GET', '/api/v1/repositories/a/b/manifests/c', { route: 'api-manifest', repository: 'a/b', reference: 'c' }],
  ] as const) {
    for (let time = 0; time < 2; time++)
      expect(await log(method, path)).toEqual({ method, path, ...expected, ...SENT });
  }
});

test('the log never shows the query of the token endpoint', async () => {
  expect((await addressOf('GET', `${HOST}/token?account=me&password=hunter2`)).labels.path).toBe('/token');
  for (const target of ['/token?password=hunter2', '/token/?password=hunter2', '/tokens?password=hunter2']) {
    expect(unknownLabels('PUT', HOST + target).jsonWith({ digest: undefined, ...SENT })).not.toContain('hunter2');
  }
});

test('more addresses than the cache holds, and very long ones, still get their routes', async () => {
  const routeOf = async (target: string) => (await addressOf('GET', HOST + target)).route;
  for (let index = 0; index < 20_000; index++) {
    expect(await routeOf(`/v2/app/manifests/t${index}`)).toMatchObject({ reference: { tag: `t${index}` } });
  }
  expect(await routeOf('/v2/app/manifests/t0')).toMatchObject({ reference: { tag: 't0' } });
  const query = 'x'.repeat(2_000);
  expect(await routeOf(`/v2/app/tags/list?last=${query}`)).toMatchObject({ last: query });
});

test('an invalid address is refused every time', () => {
  for (let time = 0; time < 2; time++) {
    expect(() => addressOf('GET', `${HOST}/v2/APP/manifests/t`)).toThrow('repository name');
  }
});

test('only an address of /api/v1 is a promise, and only the first time', async () => {
  const [url, other] = [`${HOST}/api/v1/search?q=promise`, `${HOST}/v2/a/manifests/promise`];
  expect(addressOf('GET', other)).not.toBeInstanceOf(Promise);
  const first = addressOf('GET', url);
  expect(first).toBeInstanceOf(Promise);
  expect(addressOf('GET', url)).toBeInstanceOf(Promise);
  const address = await first;
  expect(address).toMatchObject({ route: { kind: 'api-search' }, required: { refusal: 'denied' } });
  expect(addressOf('GET', url)).not.toBeInstanceOf(Promise);
});
