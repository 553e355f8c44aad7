// Arbitrary credentials over real connections: the response is always 401 with one challenge, never a failure.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import fc from 'fast-check';
import { cleanUp, type Server, startServer } from '../support/server.ts';
import { BLOB_DIGEST, fill } from './matrix-routes.ts';
import { basic, forged, fromNewAddress, PUBLIC_HOST, tokenFor, writeAccessFiles } from './world.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const files = writeAccessFiles();
let server: Server;
beforeAll(async () => {
  server = await startServer(files.env);
  for (const repo of ['ours/app', 'free/app']) await fill({ url: server.url, repo, exists: true });
});

const visible = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 200,
});
const base64 = fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes).toString('base64'));
const headerValues = fc.oneof(
  visible,
  fc
    .tuple(fc.constantFrom('Basic', 'basic', 'BEARER', 'Bearer', 'Digest', 'Negotiate'), fc.oneof(visible, base64))
    .map((parts) => parts.join(' ')),
  fc
    .tuple(fc.constantFrom('alice', 'robot+ci', 'oidc', '<token>', ''), visible)
    .map(([user, password]) => basic(user, password)),
  fc.tuple(base64, base64, base64).map((parts) => `Bearer ${parts.join('.')}`),
);

test('invalid credentials are refused with one challenge, even where none are needed', async () => {
  await fc.assert(
    fc.asyncProperty(headerValues, fc.constantFrom('ours/app', 'free/app'), async (authorization, repo) => {
      const headers = { authorization, ...fromNewAddress() };
      const response = await fetch(`${server.url}/v2/${repo}/blobs/${BLOB_DIGEST}`, { headers });
      await response.bytes();
      expect(response.status).toBe(401);
      const challenge = `Bearer realm="http://${PUBLIC_HOST}/token",service="${PUBLIC_HOST}",scope="repository:${repo}:pull"`;
      const error = /^bearer +[A-Za-z0-9\-._~+/]+=*$/i.test(authorization) ? ',error="invalid_token"' : '';
      expect(response.headers.get('www-authenticate')).toBe(challenge + error);
    }),
    { numRuns: 300 },
  );
});

test('shared caches may store only what everyone may pull', async () => {
  const caching = async (repo: string, headers: Readonly<Record<string, string>>) => {
    const response = await fetch(`${server.url}/v2/${repo}/blobs/${BLOB_DIGEST}`, { headers });
    return [response.status, response.headers.get('cache-control')];
  };
  const reader = { authorization: basic('reader') };
  expect(await caching('free/app', {})).toEqual([200, 'public, max-age=31536000, immutable']);
  expect(await caching('free/app', reader)).toEqual([200, 'public, max-age=31536000, immutable']);
  expect(await caching('ours/app', reader)).toEqual([200, 'private, max-age=31536000, immutable']);
});

/** For differences of clocks (docs/access.md). */
const LEEWAY_SECONDS = 60;
/** Long enough for an upload to begin on a busy machine. */
const BEGUN_WITHIN_SECONDS = 10;

test('a token that expires during an upload is valid until its end, but not for the next request', async () => {
  const scope = 'repository:ours/app:pull,push';
  const genuine = await tokenFor(server, basic('pusher'), scope);
  const now = Math.floor(Date.now() / 1000);
  const exp = now + BEGUN_WITHIN_SECONDS - LEEWAY_SECONDS;
  const expiring = await forged(genuine, files.key, { iat: exp - 60, nbf: exp - 60, exp });
  const headers = { authorization: `Bearer ${expiring}` };
  const started = await fetch(`${server.url}/v2/ours/app/blobs/uploads/`, { method: 'POST', headers });
  expect(started.status).toBe(202);
  const location = new URL(started.headers.get('location') ?? '', server.url);
  let bytes = 0;
  async function* untilExpired(): AsyncIterable<Uint8Array> {
    for (let isLast = false; !isLast; ) {
      isLast = Date.now() >= (exp + LEEWAY_SECONDS + 1) * 1_000;
      const part = new TextEncoder().encode('part ');
      bytes += part.length;
      yield part;
      await Bun.sleep(500);
    }
  }
  const sent = await fetch(location, { method: 'PATCH', headers, body: untilExpired() });
  expect([sent.status, sent.headers.get('range')]).toEqual([202, `0-${bytes - 1}`]);
  const next = await fetch(location, { headers });
  expect([next.status, next.headers.get('www-authenticate')]).toEqual([401, expect.stringContaining('invalid_token')]);
  // The session continues with a new token of the same account.
  const renewed = { authorization: `Bearer ${await tokenFor(server, basic('pusher'), scope)}` };
  expect((await fetch(location, { headers: renewed })).status).toBe(204);
});

test('only callers with the right may read the metrics', async () => {
  const statusOf = async (headers: Readonly<Record<string, string>>) => {
    const response = await fetch(`${server.url}/metrics`, { headers });
    await response.bytes();
    return response.status;
  };
  expect(await statusOf({})).toBe(401);
  expect(await statusOf({ authorization: basic('reader') })).toBe(403);
  expect(await statusOf({ authorization: basic('admin') })).toBe(200);
  for (const path of ['/healthz', '/readyz', '/']) expect((await fetch(`${server.url}${path}`)).status).toBe(200);
});
