// For callers who may not pull, existing and missing repositories look the same: status, headers, body and time.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { eventually } from '../support/eventually.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';
import { BLOB_DIGEST, digestOf, fill, MANIFEST, TAG } from './matrix-routes.ts';
import { basic, PUBLIC_HOST, tokenFor, writeAccessFiles } from './world.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

/** Number of requests per measurement. ACCESS_TIMES=long gives meaningful figures on a quiet machine. */
const ROUNDS = process.env.ACCESS_TIMES === 'long' ? 2_000 : 300;
/** Maximum difference of the medians. Two series of equal requests differ by less, even on a busy machine. */
const MAX_RATIO = process.env.ACCESS_TIMES === 'long' ? 1.1 : 1.5;

/**
 * A repository that the reader may not see, a missing one, and a missing one that the reader may pull. The names have the same
 * length.
 */
const FORBIDDEN = 'them/app-00000';
const MISSING = 'them/new-00000';
const UNBORN = 'ours/new-00000';

const READS = [
  ['GET', `blobs/${BLOB_DIGEST}`],
  ['HEAD', `blobs/${BLOB_DIGEST}`],
  ['GET', `manifests/${TAG}`],
  ['GET', `manifests/${digestOf(MANIFEST)}`],
  ['HEAD', `manifests/${digestOf(MANIFEST)}`],
  ['GET', 'tags/list?n=3&last=a'],
  ['GET', `referrers/${digestOf(MANIFEST)}?artifactType=application/x.y`],
] as const;
const WRITES = [
  ['POST', 'blobs/uploads/'],
  ['PUT', `manifests/${TAG}`],
  ['DELETE', `manifests/${TAG}`],
  ['DELETE', `blobs/${BLOB_DIGEST}`],
  ['PATCH', 'blobs/uploads/00000000-0000-8000-8000-000000000000'],
] as const;

const THEN = '20260102t030405z';
/** Addresses of the page and of the API that are about one repository. */
const ADDRESSES: readonly ((repo: string) => string)[] = [
  (repo) => `/ui/repositories/${repo}`,
  (repo) => `/ui/repositories/${repo}:${TAG}`,
  (repo) => `/ui/repositories/${repo}@${digestOf(MANIFEST)}`,
  (repo) => `/ui/repositories/${repo}/-/timeline`,
  (repo) => `/ui/storage?repository=${repo}`,
  (repo) => `/ui/at/${THEN}/repositories/${repo}`,
  (repo) => `/ui/at/1/repositories/${repo}:${TAG}`,
  (repo) => `/ui/at?moment=1&named=${repo}`,
  (repo) => `/ui/compare?a=${repo}:${TAG}&b=ours/app:${TAG}`,
  (repo) => `/ui/compare?a=${repo}@1&b=${repo}@2`,
  (repo) => `/ui/compare?a=at/${THEN}/${repo}:${TAG}&b=`,
  (repo) => `/ui/jump?q=${repo}`,
  (repo) => `/ui/?q=${repo}`,
  (repo) => `/ui/changes?repository=${repo}`,
  (repo) => `/api/v1/repositories/${repo}`,
  (repo) => `/api/v1/repositories/${repo}?at=99`,
  (repo) => `/api/v1/repositories/${repo}/tags`,
  (repo) => `/api/v1/repositories/${repo}/tags/${TAG}/history`,
  (repo) => `/api/v1/repositories/${repo}/diff?from=1&to=2`,
  (repo) => `/api/v1/repositories/${repo}/manifests/${TAG}`,
  (repo) => `/api/v1/repositories/${repo}/manifests/${TAG}/packages`,
  (repo) => `/api/v1/repositories/${repo}/retention`,
  (repo) => `/api/v1/repositories/${repo}/pins`,
  (repo) => `/api/v1/repositories/${repo}/blobs/${BLOB_DIGEST}/sharers`,
  (repo) => `/api/v1/compare?a=${repo}:${TAG}&b=ours/app:${TAG}`,
  (repo) => `/api/v1/storage?repository=${repo}`,
  (repo) => `/api/v1/search?q=${repo}`,
  (repo) => `/v2/at/${THEN}/${repo}/tags/list`,
  (repo) => `/v2/at/${THEN}/${repo}/manifests/${TAG}`,
];

let server: Server;
let token: string;
beforeAll(async () => {
  server = await startServer(writeAccessFiles().env);
  await fill({ url: server.url, repo: FORBIDDEN, exists: true });
  token = await tokenFor(server, basic('reader'), 'repository:ours/app:pull');
  // Until the index has all changes, its answers say so.
  await eventually(async () => {
    const headers = { authorization: basic('admin') };
    const totals: unknown = await (await fetch(`${server.url}/api/v1/totals`, { headers })).json();
    expect(totals).toMatchObject({ isComplete: true, repositories: 1 });
  });
});

type Credentials = Readonly<Record<string, string>>;
const CALLERS: readonly (readonly [string, () => Credentials])[] = [
  ['nobody', () => ({})],
  ['an account', () => ({ authorization: basic('reader') })],
  ['a token', () => ({ authorization: `Bearer ${token}` })],
];

function send(repo: string, method: string, path: string, headers: Credentials): Promise<Response> {
  return fetch(`${server.url}/v2/${repo}/${path}`, { method, headers });
}

/** Everything that a client sees, without the requested name and the date. */
async function wholeOf(response: Response, repo: string): Promise<string> {
  const headers = [...response.headers].filter(([name]) => name !== 'date').sort();
  const whole = JSON.stringify([response.status, headers, await response.text()]);
  return whole.replaceAll(repo, 'NAME').replaceAll(encodeURIComponent(repo), 'NAME');
}

describe.each(CALLERS)('to %s', (_, credentials) => {
  test.each([...READS, ...WRITES])('%s %s does not reveal what exists', async (method, path) => {
    const [forbidden, missing] = await Promise.all(
      [FORBIDDEN, MISSING].map(async (repo) => wholeOf(await send(repo, method, path, credentials()), repo)),
    );
    expect(forbidden).toBe(missing);
  });

  test('no address of the page and of the API reveals what exists', async () => {
    for (const address of ADDRESSES) {
      const [forbidden, missing] = await Promise.all(
        [FORBIDDEN, MISSING].map(async (repo) => {
          const headers = { ...credentials(), host: PUBLIC_HOST };
          return wholeOf(await fetch(server.url + address(repo), { headers, redirect: 'manual' }), repo);
        }),
      );
      expect([address('NAME'), forbidden]).toEqual([address('NAME'), missing]);
    }
  });

  test('response times do not differ', async () => {
    const [, path] = READS[2];
    const times: Record<string, number[]> = { [FORBIDDEN]: [], [MISSING]: [] };
    for (let round = -20; round < ROUNDS; round++) {
      // The two alternate, and take turns at being first, so that other work on the machine slows both equally.
      for (const repo of round % 2 === 0 ? [FORBIDDEN, MISSING] : [MISSING, FORBIDDEN]) {
        const begin = performance.now();
        await (await send(repo, 'GET', path, credentials())).arrayBuffer();
        if (round >= 0) times[repo]?.push(performance.now() - begin);
      }
    }
    const [forbidden, missing] = [FORBIDDEN, MISSING].map((repo) => medianOf(times[repo] ?? []));
    if (forbidden === undefined || missing === undefined) return expect.unreachable();
    expect(Math.max(forbidden / missing, missing / forbidden)).toBeLessThan(MAX_RATIO);
  });
});

test.each(READS)(
  'to an account %s %s of a forbidden repository is what a missing one answers',
  async (method, path) => {
    const headers = { authorization: basic('reader') };
    const [forbidden, unborn] = await Promise.all(
      [FORBIDDEN, UNBORN].map(async (repo) => wholeOf(await send(repo, method, path, headers), repo)),
    );
    expect(forbidden).toBe(unborn);
  },
);

function medianOf(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}

test('the catalog and its Link name only what the caller may pull', async () => {
  const headers = { authorization: basic('admin') };
  await fill({ url: server.url, repo: 'ours/app-00000', exists: true });
  const response = await fetch(`${server.url}/v2/_catalog`, { headers });
  expect(await response.json()).toEqual({ repositories: ['ours/app-00000', FORBIDDEN] });
  expect((await fetch(`${server.url}/v2/_catalog`, { headers: { authorization: basic('reader') } })).status).toBe(403);
});

test('an invented Host never appears in a challenge', async () => {
  for (const host of ['evil.example', 'registry.example.evil.example', 'a"b', 'registry.example@evil.example']) {
    const response = await fetch(`${server.url}/v2/`, { headers: { host, 'x-forwarded-host': host } });
    const challenge = response.headers.get('www-authenticate') ?? '';
    if (response.status === 401) expect(challenge).toStartWith('Bearer realm="http://registry.example/token"');
    expect(challenge).not.toContain('evil');
  }
});
