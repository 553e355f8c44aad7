// containerd pulls and pushes as under Kubernetes: it sends credentials by POST to /token, and mounts blobs that it pulled elsewhere.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Containerd, startContainerd } from '../clients/containerd.ts';
import { runnableImage } from '../clients/layout.ts';
import { TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { pushImage } from '../support/oci.ts';
import { issuerKey } from '../support/oidc-issuer.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { startTokenServer, TOKEN_SERVER_ISSUER } from '../support/token-server.ts';
import { type Line, linesDuring, ORDERED_LINES } from './log-lines.ts';
import { passwordOf, writeAccessFiles } from './world.ts';

setDefaultTimeout(300_000);

let containerd: Containerd;
let server: Server;

beforeAll(async () => {
  await tools('containerd', 'ctr');
  const STORAGE_PATH = temporaryFolder('containerd-data');
  const open = await startServer({ STORAGE_PATH });
  for (const repo of ['free/app', 'ours/app', 'elsewhere'])
    await pushImage(open.url, repo, await runnableImage(), 'v1');
  await open.stop();
  server = await startServer({ ...writeAccessFiles().env, PUBLIC_HOSTS: '', STORAGE_PATH, ...ORDERED_LINES });
  containerd = await startContainerd();
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await containerd.stop();
  await cleanUp();
});

const as = (account?: string) => {
  const options = ['--plain-http', ...(account === undefined ? [] : [`--user=${account}:${passwordOf(account)}`])];
  return {
    pull: (reference: string) =>
      containerd.attempt('images', 'pull', '--snapshotter=native', ...options, `${server.host}/${reference}`),
    push: (reference: string, image: string) =>
      containerd.attempt('images', 'push', ...options, `${server.host}/${reference}`, `${server.host}/${image}`),
  };
};

/** Statuses of the requests to mount a blob. */
const mountsOf = (lines: readonly Line[]) =>
  new Set(lines.filter(({ route }) => route === 'blob-mount').map(({ status }) => status));

test('containerd pulls with a password, which it sends by POST', async () => {
  const lines = await linesDuring(server, async () =>
    expect(await as('reader').pull('ours/app:v1')).toMatchObject({ code: 0 }),
  );
  const grants = lines.filter(({ grant }) => grant !== undefined);
  expect(grants.length).toBeGreaterThan(0);
  for (const each of grants) expect(each).toMatchObject({ grant: 'password', actor: 'user:reader' });
  expect(lines).toContainEqual(expect.objectContaining({ route: 'blob-get', actor: 'user:reader', status: 200 }));
});

test('containerd pulls with a refresh token', async () => {
  const query = `service=${server.host}&scope=repository:ours/app:pull&offline_token=true`;
  const authorization = `Basic ${btoa(`reader:${passwordOf('reader')}`)}`;
  const answer = await fetch(`${server.url}/token?${query}`, { headers: { authorization } });
  const { refresh_token }: { refresh_token: string } = JSON.parse(await answer.text());
  const options = ['--snapshotter=native', '--plain-http', `--refresh=${refresh_token}`];
  const lines = await linesDuring(server, async () =>
    expect(await containerd.attempt('images', 'pull', ...options, `${server.host}/ours/app:v1`)).toMatchObject({
      code: 0,
    }),
  );
  expect(lines).toContainEqual(expect.objectContaining({ grant: 'refresh_token', actor: 'user:reader' }));
});

test('containerd pulls public images without credentials and without a token', async () => {
  const lines = await linesDuring(server, async () =>
    expect(await as().pull('free/app:v1')).toMatchObject({ code: 0 }),
  );
  expect(lines.filter(({ status }) => status !== undefined && status !== 200)).toEqual([]);
  expect(lines.some(({ path }) => path === '/token')).toBe(false);
});

test.each([
  ['without credentials', undefined],
  ['of an account without the right', 'outsider'],
])('containerd says that a pull %s is denied', async (_, account) => {
  for (const reference of ['ours/app:v1', 'ours/missing:v1']) {
    const { code, stderr } = await as(account).pull(reference);
    expect(code).not.toBe(0);
    expect(stderr).toContain('pull access denied, repository does not exist or may require authorization');
  }
});

test('containerd mounts what the account may pull, and uploads what it may not', async () => {
  expect(await as('outsider').pull('elsewhere:v1')).toMatchObject({ code: 0 });
  const push = (account: string, reference: string) =>
    linesDuring(server, async () =>
      expect(await as(account).push(reference, 'elsewhere:v1')).toMatchObject({ code: 0 }),
    );
  const mounted = await push('admin', 'ours/mounted:v1');
  expect(mountsOf(mounted)).toEqual(new Set([201]));
  expect(mounted.some(({ route }) => route === 'upload-close')).toBe(false);
  const uploaded = await push('pusher', 'ours/uploaded:v1');
  expect(mountsOf(uploaded)).toEqual(new Set([202]));
  expect(uploaded).toContainEqual(expect.objectContaining({ route: 'upload-close', status: 201 }));
  for (const repo of ['ours/mounted', 'ours/uploaded'])
    expect(await as('reader').pull(`${repo}:v1`)).toMatchObject({ code: 0 });
});

test('containerd says that a push is denied', async () => {
  expect(await as('reader').pull('ours/app:v1')).toMatchObject({ code: 0 });
  const { code, stderr } = await as('reader').push('ours/refused:v1', 'ours/app:v1');
  expect(code).not.toBe(0);
  expect(stderr).toContain('insufficient_scope: authorization failed');
});

test('containerd asks a token server that does not know POST by GET', async () => {
  const folder = temporaryFolder('token-server');
  const key = await issuerKey('ES256');
  const keys = join(folder, 'jwks.json');
  writeFileSync(keys, JSON.stringify({ keys: [key.jwk] }));
  const rights = (user: string | undefined) => (user === 'reader' ? ['pull', 'push'] : []);
  const passwords = { reader: passwordOf('reader') };
  const tokenServer = startTokenServer({ key, passwords, rights });
  const own = server;
  try {
    server = await startServer({
      AUTH_TOKEN_REALM: tokenServer.realm,
      AUTH_TOKEN_SERVICE: 'registry',
      AUTH_TOKEN_ISSUER: TOKEN_SERVER_ISSUER,
      AUTH_TOKEN_JWKS_FILE: keys,
    });
    expect(
      await containerd.attempt('images', 'tag', `${own.host}/ours/app:v1`, `${server.host}/team/app:v1`),
    ).toMatchObject({ code: 0 });
    expect(await as('reader').push('team/app:v1', 'team/app:v1')).toMatchObject({ code: 0 });
    expect(await as('reader').pull('team/app:v1')).toMatchObject({ code: 0 });
    expect(tokenServer.asked).toContain('reader repository:team/app:pull');
    expect((await as().pull('team/app:v1')).stderr).toContain('pull access denied');
  } finally {
    server = own;
    await tokenServer.stop();
  }
});
