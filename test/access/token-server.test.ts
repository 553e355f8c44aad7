// A registry whose tokens come from an existing token server.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { importPKCS8, type JWTPayload } from 'jose';
import { namesOf } from '../../src/access/token-server/key-names.ts';
import { runnableImage, writeLayout } from '../clients/layout.ts';
import { CA, type Certificate, makeCertificate } from '../support/certificates.ts';
import { attempt, run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { image } from '../support/oci.ts';
import { type IssuerKey, issuerKey, signClaims } from '../support/oidc-issuer.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { startTokenServer, TOKEN_SERVER_ISSUER, type TokenServer } from '../support/token-server.ts';

setDefaultTimeout(300_000);

const SERVICE = 'Docker registry';
const folder = temporaryFolder('token-server');
const AUTH_TOKEN_JWKS_FILE = join(folder, 'jwks.json');
const AUTH_TOKEN_ROOTCERTBUNDLE = join(folder, 'root.crt');
const HTPASSWD_FILE = join(folder, 'htpasswd');
const ACCESS_FILE = join(folder, 'access.yaml');
let key: IssuerKey;
let root: Certificate;
let leaf: Certificate;
let tokenServer: TokenServer;
let server: Server;

/** Admins may do everything, other users everything in their own folder, and everyone may pull public repositories. */
function rights(user: string | undefined, type: string, name: string): readonly string[] {
  if (user === 'admin') return ['pull', 'push', 'delete', '*'];
  if (type !== 'repository') return [];
  if (user !== undefined && name.startsWith(`${user}/`)) return ['pull', 'push'];
  return name.startsWith('public/') ? ['pull'] : [];
}

function write(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

function writeKeys(...keys: readonly IssuerKey[]): void {
  write(AUTH_TOKEN_JWKS_FILE, JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }));
}

beforeAll(async () => {
  key = await issuerKey('RS256');
  writeKeys(key);
  root = await makeCertificate('token server root', { extensions: CA });
  leaf = await makeCertificate('token server', { issuer: root });
  write(AUTH_TOKEN_ROOTCERTBUNDLE, root.pem);
  write(HTPASSWD_FILE, `prometheus:${Bun.password.hashSync('metrics', { algorithm: 'bcrypt', cost: 4 })}\n`);
  write(
    ACCESS_FILE,
    "rules: [{who: prometheus, actions: [metrics]}, {who: anonymous, repositories: ['open/*'], actions: [pull]}]\n",
  );
  tokenServer = startTokenServer({ key, passwords: { admin: 'secret', ann: 'pw' }, rights });
  server = await startServer({
    AUTH_TOKEN_REALM: tokenServer.realm,
    AUTH_TOKEN_SERVICE: SERVICE,
    AUTH_TOKEN_ISSUER: TOKEN_SERVER_ISSUER,
    AUTH_TOKEN_JWKS_FILE,
    AUTH_TOKEN_ROOTCERTBUNDLE,
    HTPASSWD_FILE,
    ACCESS_FILE,
  });
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await tokenServer.stop();
  await cleanUp();
});

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const basic = (user: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});

/** As a client does it: the scope, then the request. */
async function tokenFor(user: string | undefined, ...scopes: readonly string[]): Promise<string> {
  const url = new URL(tokenServer.realm);
  url.searchParams.set('service', SERVICE);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  const headers = user === undefined ? {} : basic(user, user === 'admin' ? 'secret' : 'pw');
  const answer: { token: string } = JSON.parse(await (await fetch(url, { headers })).text());
  return answer.token;
}

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(`${server.url}${path}`, init);
  await response.clone().arrayBuffer();
  return response;
}

async function statusOf(method: string, path: string, token: string): Promise<number> {
  return (await ask(path, { method, headers: bearer(token) })).status;
}

async function pushTag(repo: string, tag: string, token: string): Promise<void> {
  const { blobs, bytes, manifest } = image();
  for (const blob of blobs) {
    const path = `/v2/${repo}/blobs/uploads/?digest=${blob.descriptor.digest}`;
    expect((await ask(path, { method: 'POST', body: blob.bytes, headers: bearer(token) })).status).toBe(201);
  }
  const headers = { ...bearer(token), 'content-type': manifest.mediaType };
  expect((await ask(`/v2/${repo}/manifests/${tag}`, { method: 'PUT', body: bytes, headers })).status).toBe(201);
}

async function claims(changed: JWTPayload = {}): Promise<JWTPayload> {
  const now = Math.floor(Date.now() / 1_000);
  const access = [{ type: 'repository', name: 'ann/app', actions: ['pull', 'push'] }];
  return { iss: TOKEN_SERVER_ISSUER, aud: SERVICE, sub: 'ann', nbf: now, iat: now, exp: now + 300, access, ...changed };
}

describe('without a token that allows it', () => {
  const challenge = (rest: string) => `Bearer realm="${tokenServer.realm}",service="${SERVICE}"${rest}`;

  test('a challenge sends clients to the token server', async () => {
    const ping = await ask('/v2/');
    expect([ping.status, ping.headers.get('www-authenticate')]).toEqual([401, challenge('')]);
    const push = await ask('/v2/ann/app/blobs/uploads/', { method: 'POST' });
    expect(push.headers.get('www-authenticate')).toBe(challenge(',scope="repository:ann/app:pull,push"'));
    const pull = await ask('/v2/ann/app/tags/list');
    expect(pull.headers.get('www-authenticate')).toBe(challenge(',scope="repository:ann/app:pull"'));
  });

  test('the scope is not enough, whether the repository exists or not', async () => {
    await pushTag('ann/app', 'v1', await tokenFor('ann', 'repository:ann/app:pull,push'));
    const token = await tokenFor('ann', 'repository:ann/app:pull');
    for (const repo of ['ann/app', 'ann/nothing']) {
      const push = await ask(`/v2/${repo}/blobs/uploads/`, { method: 'POST', headers: bearer(token) });
      expect(push.status).toBe(401);
      const scope = `scope="repository:${repo}:pull,push",error="insufficient_scope"`;
      expect(push.headers.get('www-authenticate')).toBe(challenge(`,${scope}`));
    }
    const read = await ask('/v2/other/app/tags/list', { headers: bearer(token) });
    expect(read.status).toBe(401);
    expect(read.headers.get('www-authenticate')).toContain('error="insufficient_scope"');
  });

  test('a wrong token gets invalid_token, and the log says why', async () => {
    const wrong: readonly (readonly [JWTPayload, string])[] = [
      [{ aud: 'another registry' }, 'the token is for another audience'],
      [{ exp: Math.floor(Date.now() / 1_000) - 61 }, 'the token has expired'],
      [{ iss: 'someone' }, 'no authenticator accepts credentials of this kind'],
    ];
    for (const [changed, reason] of wrong) {
      const response = await ask('/v2/', { headers: bearer(await signClaims(key, await claims(changed))) });
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe(challenge(',error="invalid_token"'));
      await eventually(() => expect(server.logs()).toContain(reason));
    }
  });

  test('there is no token endpoint here', async () => {
    expect((await ask('/token', { headers: basic('prometheus', 'metrics') })).status).toBe(404);
    expect(
      (await ask('/token', { method: 'POST', body: new URLSearchParams({ grant_type: 'password' }) })).status,
    ).toBe(404);
  });
});

describe('a token of the token server', () => {
  test('allows what its claims say, with the actions of distribution', async () => {
    const whole = await tokenFor('admin', 'repository:ann/app:*');
    await pushTag('ann/app', 'v2', whole);
    const pull = await tokenFor(undefined, 'repository:public/app:pull,push');
    await pushTag('public/app', 'v1', await tokenFor('admin', 'repository:public/app:pull,push'));
    expect(await statusOf('GET', '/v2/public/app/tags/list', pull)).toBe(200);
    expect(await statusOf('POST', '/v2/public/app/blobs/uploads/', pull)).toBe(401);
    const remove = await tokenFor('admin', 'repository:ann/app:delete');
    expect(await statusOf('GET', '/v2/ann/app/tags/list', remove)).toBe(401);
    expect(await statusOf('DELETE', '/v2/ann/app/manifests/v2', remove)).toBe(202);
    expect(await statusOf('DELETE', '/v2/ann/app/manifests/v1', await tokenFor('ann', 'repository:ann/app:*'))).toBe(
      401,
    );
    expect(await statusOf('GET', '/v2/', await tokenFor('ann'))).toBe(200);
  });

  test('mounts only from where it allows to pull', async () => {
    const { blobs } = image();
    const [blob] = blobs;
    if (blob === undefined) throw new Error('the image has no blob');
    const { digest } = blob.descriptor;
    const source = await tokenFor('admin', 'repository:base/app:pull,push');
    const upload = `/v2/base/app/blobs/uploads/?digest=${digest}`;
    expect((await ask(upload, { method: 'POST', body: blob.bytes, headers: bearer(source) })).status).toBe(201);
    const mount = `/v2/ann/app/blobs/uploads/?mount=${digest}&from=base/app`;
    expect(await statusOf('POST', mount, await tokenFor('ann', 'repository:ann/app:pull,push'))).toBe(202);
    const both = await tokenFor('admin', 'repository:ann/app:pull,push', 'repository:base/app:pull');
    expect(await statusOf('POST', mount, both)).toBe(201);
  });

  test('with registry:catalog:* lists every repository, as with distribution', async () => {
    await pushTag('bob/app', 'v1', await tokenFor('admin', 'repository:bob/app:pull,push'));
    const catalog = await ask('/v2/_catalog', { headers: bearer(await tokenFor('admin', 'registry:catalog:*')) });
    expect(await catalog.json()).toEqual({ repositories: expect.arrayContaining(['ann/app', 'bob/app']) });
    const refused = await ask('/v2/_catalog', { headers: bearer(await tokenFor('ann', 'registry:catalog:*')) });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toContain('scope="registry:catalog:*",error="insufficient_scope"');
  });

  test('is an actor of its own kind, with any subject', async () => {
    const access = [{ type: 'repository', name: 'ann/app', actions: ['*'] }];
    for (const [sub, label] of [
      ['operator:0', 'token:operator:0'],
      ['a\nb', 'token:a%0Ab'],
      ['', 'token:'],
    ]) {
      await pushTag('ann/app', 'v3', await signClaims(key, await claims({ sub: sub ?? '', access })));
      await eventually(() => expect(server.logs()).toContain(`"actor":"${label}"`));
    }
  });

  test('is accepted with each name of its key, and with certificates that the bundle verifies', async () => {
    const { jwk } = key;
    const names = namesOf(createPublicKey({ key: { kty: 'RSA', n: jwk.n ?? '', e: jwk.e ?? '' }, format: 'jwk' }));
    for (const kid of names) {
      expect(await statusOf('GET', '/v2/', await signClaims(key, await claims(), { kid }))).toBe(200);
    }
    const signing = { algorithm: 'ES256', jwk: {}, privateKey: await importPKCS8(leaf.key, 'ES256') } as const;
    const byChain = await signClaims(signing, await claims(), { kid: undefined, x5c: [leaf.der, root.der] });
    expect(await statusOf('GET', '/v2/ann/app/tags/list', byChain)).toBe(200);
    const other = await makeCertificate('stranger');
    const stranger = { ...signing, privateKey: await importPKCS8(other.key, 'ES256') };
    const byStranger = await signClaims(stranger, await claims(), { kid: undefined, x5c: [other.der] });
    expect(await statusOf('GET', '/v2/', byStranger)).toBe(401);
    // The names of the root's key, which libtrust computed.
    const rootKey = { ...signing, privateKey: await importPKCS8(root.key, 'ES256') };
    for (const kid of namesOf(createPublicKey(createPrivateKey(root.key)))) {
      expect(await statusOf('GET', '/v2/', await signClaims(rootKey, await claims(), { kid }))).toBe(200);
    }
  });

  test('no line of the log has one', () => {
    expect(server.logs()).not.toMatch(/eyJ[\w-]{20,}/);
  });
});

test('accounts and rules also apply: with Basic, and without credentials', async () => {
  await pushTag('open/app', 'v1', await tokenFor('admin', 'repository:open/app:pull,push'));
  expect((await ask('/v2/open/app/tags/list')).status).toBe(200);
  expect((await ask('/metrics', { headers: basic('prometheus', 'metrics') })).status).toBe(200);
  expect((await ask('/v2/ann/app/tags/list', { headers: basic('prometheus', 'metrics') })).status).toBe(404);
  // Accounts of the token server are not accounts of this registry.
  expect((await ask('/v2/', { headers: basic('admin', 'secret') })).status).toBe(401);
});

test('a changed key file is used, and a wrong one changes nothing', async () => {
  const next = await issuerKey('ES256');
  const before = await tokenFor('ann', 'repository:ann/app:pull');
  expect(await statusOf('GET', '/v2/ann/app/tags/list', before)).toBe(200);
  write(AUTH_TOKEN_JWKS_FILE, '{"keys": []}');
  await eventually(() => expect(server.logs()).toContain('AUTH_TOKEN_JWKS_FILE has no RSA'));
  expect(await statusOf('GET', '/v2/ann/app/tags/list', before)).toBe(200);
  writeKeys(next);
  tokenServer.sign(next);
  const after = await tokenFor('ann', 'repository:ann/app:pull');
  // Each thread of the server reads the file by itself.
  await eventually(async () => {
    expect(await statusOf('GET', '/v2/ann/app/tags/list', before)).toBe(401);
    expect(await statusOf('GET', '/v2/ann/app/tags/list', after)).toBe(200);
  });
  writeKeys(key);
  tokenServer.sign(key);
  await eventually(async () => expect(await statusOf('GET', '/v2/ann/app/tags/list', before)).toBe(200));
});

test('wrong settings stop the start with one line', async () => {
  const whole = {
    AUTH_TOKEN_REALM: tokenServer.realm,
    AUTH_TOKEN_SERVICE: SERVICE,
    AUTH_TOKEN_ISSUER: TOKEN_SERVER_ISSUER,
    AUTH_TOKEN_JWKS_FILE,
  };
  const cases: readonly (readonly [Readonly<Record<string, string>>, string])[] = [
    [{ AUTH_TOKEN_REALM: '' }, 'there is no AUTH_TOKEN_REALM: the settings of a token server belong together'],
    [{ AUTH_TOKEN_SERVICE: '', AUTH_TOKEN_ISSUER: '' }, 'there is no AUTH_TOKEN_SERVICE and no AUTH_TOKEN_ISSUER: '],
    [{ AUTH_TOKEN_JWKS_FILE: '' }, 'there is no AUTH_TOKEN_JWKS_FILE or AUTH_TOKEN_ROOTCERTBUNDLE: '],
    [{ AUTH_TOKEN_REALM: '/token' }, 'AUTH_TOKEN_REALM cannot be used'],
    [{ AUTH_TOKEN_JWKS_FILE: join(folder, 'nothing') }, 'there is no such file'],
    [{ AUTH_TOKEN_ROOTCERTBUNDLE: AUTH_TOKEN_JWKS_FILE }, 'AUTH_TOKEN_ROOTCERTBUNDLE has no certificate'],
  ];
  for (const [changed, reason] of cases) await expect(startServer({ ...whole, ...changed })).rejects.toThrow(reason);
});

test('registry:2 settings of the same meaning are understood', async () => {
  const moved = await startServer({
    REGISTRY_AUTH_TOKEN_REALM: tokenServer.realm,
    REGISTRY_AUTH_TOKEN_SERVICE: SERVICE,
    REGISTRY_AUTH_TOKEN_ISSUER: TOKEN_SERVER_ISSUER,
    REGISTRY_AUTH_TOKEN_JWKS: AUTH_TOKEN_JWKS_FILE,
  });
  const headers = bearer(await tokenFor('ann'));
  expect((await fetch(`${moved.url}/v2/`, { headers })).status).toBe(200);
  expect((await fetch(`${moved.url}/v2/`, { headers: basic('ann', 'pw') })).status).toBe(401);
});

describe('real clients log in at the token server, push, pull and are refused:', () => {
  const layout = join(folder, 'image');
  // Clients require the realm to be on the registry's own host, or refuse private addresses.
  const at = (reference: string) => `localhost:${server.port}/${reference}`;

  beforeAll(async () => {
    const pushed = await runnableImage();
    writeLayout(layout, pushed, pushed.blobs, 'v1');
  });

  test('crane', async () => {
    const [crane] = await tools('crane');
    const env = { DOCKER_CONFIG: join(folder, 'crane') };
    const login = [crane, 'auth', 'login', `localhost:${server.port}`, '-u', 'ann', '--password-stdin'];
    await run(login, { env, input: 'pw' });
    await run([crane, '--insecure', 'push', layout, at('ann/crane:v1')], { env });
    await run([crane, '--insecure', 'validate', '--remote', at('ann/crane:v1')], { env });
    expect((await attempt([crane, '--insecure', 'push', layout, at('bob/crane:v1')], { env })).code).not.toBe(0);
    // It refuses a realm with a private address that is not the registry's own.
    const byAddress = await attempt([crane, '--insecure', 'digest', `${server.host}/ann/crane:v1`], { env });
    expect(byAddress.code).not.toBe(0);
  });

  test('skopeo and podman', async () => {
    const [skopeo, podman] = await tools('skopeo', 'podman');
    const authFile = `--authfile=${join(folder, 'auth.json')}`;
    const login = [podman, 'login', '--tls-verify=false', authFile, '--username=ann', '--password-stdin'];
    await run([...login, `localhost:${server.port}`], { input: 'pw' });
    expect((await attempt([...login, `localhost:${server.port}`], { input: 'wrong' })).code).not.toBe(0);
    const flags = ['--dest-tls-verify=false', authFile];
    await run([skopeo, 'copy', ...flags, `oci:${layout}:v1`, `docker://${at('ann/skopeo:v1')}`]);
    const inspect = [skopeo, 'inspect', '--tls-verify=false', authFile];
    await run([...inspect, `docker://${at('ann/skopeo:v1')}`]);
    const refused = await attempt([skopeo, 'copy', ...flags, `oci:${layout}:v1`, `docker://${at('bob/skopeo:v1')}`]);
    expect(refused.code).not.toBe(0);
    expect((await attempt([...inspect, `docker://${at('bob/skopeo:v1')}`])).code).not.toBe(0);
    const remove = [skopeo, 'delete', '--tls-verify=false', `--creds=admin:secret`, `docker://${at('ann/skopeo:v1')}`];
    await run(remove);
  });

  test('oras', async () => {
    const [oras] = await tools('oras');
    const flags = ['--plain-http', '--registry-config', join(folder, 'oras.json')];
    const login = [oras, 'login', ...flags, '--username=ann', '--password-stdin', `localhost:${server.port}`];
    await run(login, { input: 'pw' });
    const file = join(folder, 'notes.txt');
    writeFileSync(file, 'notes');
    const push = [oras, 'push', ...flags, '--disable-path-validation'];
    await run([...push, at('ann/oras:v1'), file]);
    expect(await run([oras, 'repo', 'tags', ...flags, at('ann/oras')])).toBe('v1\n');
    expect((await attempt([...push, at('bob/oras:v1'), file])).code).not.toBe(0);
    expect(tokenServer.asked.some((each) => each.startsWith('ann repository:ann/oras:'))).toBe(true);
  });
});
