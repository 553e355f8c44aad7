// Tokens of OIDC issuers, as CI services, Kubernetes, Keycloak and Dex make them, at a running server.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeJwt, type JWTPayload } from 'jose';
import { runnableImage, writeLayout } from '../clients/layout.ts';
import { attempt, run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { image } from '../support/oci.ts';
import { issuerKey, type OidcIssuer, startIssuer } from '../support/oidc-issuer.ts';
import { cleanUp, freePort, type Server, startServer, temporaryFolder } from '../support/server.ts';

setDefaultTimeout(300_000);

const AUDIENCE = 'registry.example';
const folder = temporaryFolder('oidc');
const KEYS_FILE = join(folder, 'cluster-keys.json');
let server: Server;
let github: OidcIssuer;
let gitlab: OidcIssuer;
let kubernetes: OidcIssuer;
let keycloak: OidcIssuer;
let dex: OidcIssuer;

function entry(name: string, { url }: OidcIssuer, jwks = 'discover'): string {
  return `  - {name: ${name}, issuer: '${url}', audience: ${AUDIENCE}, jwks: '${jwks}'}`;
}

beforeAll(async () => {
  github = await startIssuer();
  gitlab = await startIssuer();
  kubernetes = await startIssuer(await issuerKey('ES256'));
  keycloak = await startIssuer(undefined, '/realms/company');
  dex = await startIssuer(await issuerKey('EdDSA'), '/dex');
  // The API server of a cluster serves its keys only to its own accounts, so the keys are in a file.
  writeFileSync(KEYS_FILE, JSON.stringify({ keys: kubernetes.keys.map(({ jwk }) => jwk) }));
  const path = join(folder, 'access.yaml');
  writeFileSync(
    path,
    `
groups:
  platform: ['oidc:dex:platform-*']
rules:
  - who: {issuer: github, claims: {repository_owner_id: '1234', ref: refs/heads/main}}
    repositories: ['team/\${repository_id}']
    actions: [pull, push]
  - who: {issuer: gitlab, claims: {namespace_path: tools, ref_protected: 'true'}}
    repositories: ['tools/**']
    actions: [pull, push]
  - {who: 'oidc:cluster:system:serviceaccount:shop:*', repositories: ['team/**'], actions: [pull]}
  - {who: {issuer: keycloak, claims: {groups: registry-admins}}, repositories: ['**'], actions: [pull, push, delete]}
  - {who: {issuer: keycloak, claims: {realm_access.roles: developer}}, repositories: ['roles/**'], actions: [pull, push]}
  - {who: {issuer: cluster, claims: {kubernetes.io.namespace: shop}}, repositories: ['shop/**'], actions: [pull, push]}
  - {who: group:platform, repositories: ['platform/**'], actions: [pull, push]}
issuers:
${entry('github', github)}
${entry('gitlab', gitlab, `${gitlab.url}/keys`)}
${entry('cluster', kubernetes, KEYS_FILE)}
${entry('keycloak', keycloak)}
${entry('dex', dex)}
`,
  );
  server = await startServer({ ACCESS_FILE: path });
});
afterAll(async () => {
  for (const each of [github, gitlab, kubernetes, keycloak, dex]) await each.stop();
  await cleanUp();
});

const asBearer = (token: string) => ({ authorization: `Bearer ${token}` });
const asPassword = (token: string) => ({ authorization: `Basic ${Buffer.from(`oidc:${token}`).toString('base64')}` });

async function push(repo: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const response = await fetch(`${server.url}/v2/${repo}/blobs/uploads/`, { method: 'POST', headers });
  await response.arrayBuffer();
  return response.status;
}

async function pushTag(repo: string, tag: string, headers: Readonly<Record<string, string>>): Promise<void> {
  const { blobs, bytes, manifest } = image();
  for (const blob of blobs) {
    const url = `${server.url}/v2/${repo}/blobs/uploads/?digest=${blob.descriptor.digest}`;
    expect((await fetch(url, { method: 'POST', body: blob.bytes, headers })).status).toBe(201);
  }
  const init = { method: 'PUT', body: bytes, headers: { ...headers, 'content-type': manifest.mediaType } };
  expect((await fetch(`${server.url}/v2/${repo}/manifests/${tag}`, init)).status).toBe(201);
}

async function tags(repo: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const response = await fetch(`${server.url}/v2/${repo}/tags/list`, { headers });
  await response.arrayBuffer();
  return response.status;
}

const GITHUB = {
  sub: 'repo:acme@1234/shop@99:ref:refs/heads/main',
  jti: 'example-id',
  ref: 'refs/heads/main',
  repository: 'acme/shop',
  repository_id: '99',
  repository_owner: 'acme',
  repository_owner_id: '1234',
  job_workflow_ref: 'acme/shop/.github/workflows/release.yml@refs/heads/main',
  runner_environment: 'github-hosted',
};

const GITLAB = {
  sub: 'project_path:tools/builder:ref_type:branch:ref:main',
  namespace_path: 'tools',
  project_path: 'tools/builder',
  project_id: '20',
  pipeline_source: 'push',
  ref: 'main',
  ref_type: 'branch',
  ref_protected: 'true',
  environment: 'production',
};

const KUBERNETES = {
  aud: [AUDIENCE],
  sub: 'system:serviceaccount:shop:web',
  jti: 'example-id',
  'kubernetes.io': {
    namespace: 'shop',
    pod: { name: 'web-1', uid: '5e0bd49b-f040-43b0-99b7-22765a53f7f3' },
    serviceaccount: { name: 'web', uid: '14ee3fa4-a7e2-420f-9f9a-dbc4507c3798' },
  },
};

const KEYCLOAK = {
  aud: ['account', AUDIENCE],
  sub: 'f5ad1f25-9a3b-44fd-8b36-7b7a5e1e8a4d',
  typ: 'Bearer',
  azp: 'registry',
  preferred_username: 'ann',
  groups: ['staff', 'registry-admins'],
};

const DEX = { sub: 'platform-42', email: 'ci@example.com', email_verified: true, name: 'ci' };

describe('a token of', () => {
  test('GitHub Actions pushes to the repository that its claims name, and to no other', async () => {
    for (const headers of [asBearer, asPassword]) {
      const token = await github.token(GITHUB);
      expect(await push('team/99', headers(token))).toBe(202);
      expect(await push('team/other', headers(token))).toBe(403);
      expect(await push('team/99', headers(await github.token({ ...GITHUB, ref: 'refs/pull/7/merge' })))).toBe(403);
      expect(await push('team/99', headers(await github.token({ ...GITHUB, repository_owner_id: '666' })))).toBe(403);
    }
  });

  test('GitLab CI, whose issuer is at another path than its keys, pushes from protected branches', async () => {
    expect(await push('tools/builder/base', asPassword(await gitlab.token(GITLAB)))).toBe(202);
    expect(await push('tools/builder', asPassword(await gitlab.token({ ...GITLAB, ref_protected: 'false' })))).toBe(
      403,
    );
    expect(gitlab.asked['/.well-known/openid-configuration']).toBeUndefined();
  });

  test("a pod's service account pulls, as the kubelet's credential provider hands it over", async () => {
    const token = await kubernetes.token(KUBERNETES);
    await pushTag('team/99', 'v1', asBearer(await github.token(GITHUB)));
    expect(await tags('team/99', asPassword(token))).toBe(200);
    expect(await push('team/99', asPassword(token))).toBe(403);
    const elsewhere = await kubernetes.token({ ...KUBERNETES, sub: 'system:serviceaccount:default:web' });
    expect(await tags('team/99', asPassword(elsewhere))).toBe(404);
    expect(kubernetes.asked).toEqual({});
  });

  test('Keycloak has the rights of its groups', async () => {
    expect(await push('anything', asBearer(await keycloak.token(KEYCLOAK)))).toBe(202);
    expect(await push('anything', asBearer(await keycloak.token({ ...KEYCLOAK, groups: ['staff'] })))).toBe(403);
    expect(await push('anything', asBearer(await keycloak.token({ ...KEYCLOAK, groups: 'registry-admins' })))).toBe(
      202,
    );
    // An ID token for the console of Keycloak.
    expect(await push('anything', asBearer(await keycloak.token({ ...KEYCLOAK, aud: 'account' })))).toBe(401);
  });

  test('Keycloak and Kubernetes have the rights of members of their claims, also after an exchange', async () => {
    const developer = await keycloak.token({
      ...KEYCLOAK,
      groups: [],
      realm_access: { roles: ['staff', 'developer'] },
    });
    expect(await push('roles/app', asBearer(developer))).toBe(202);
    expect(await push('anything', asBearer(developer))).toBe(403);
    const staff = await keycloak.token({ ...KEYCLOAK, groups: [], realm_access: { roles: ['staff'] } });
    expect(await push('roles/app', asBearer(staff))).toBe(403);
    const pod = (namespace: string) => kubernetes.token({ ...KUBERNETES, 'kubernetes.io': { namespace } });
    expect(await push('shop/app', asBearer(await pod('shop')))).toBe(202);
    expect(await push('shop/app', asBearer(await pod('other')))).toBe(403);
    const headers = { authorization: `Bearer ${developer}` };
    const scope = 'repository:roles/app:pull,push';
    const exchanged = await fetch(`${server.url}/token?scope=${scope}`, { headers });
    const { token } = (await exchanged.json()) as { token: string };
    expect(await push('roles/app', asBearer(token))).toBe(202);
  });

  test('Dex has the rights of its subject', async () => {
    expect(await push('platform/base', asBearer(await dex.token(DEX)))).toBe(202);
    expect(await push('platform/base', asBearer(await dex.token({ ...DEX, sub: 'other' })))).toBe(403);
  });
});

test('events and lines name the issuer and the subject, and no line has a token', async () => {
  const token = await github.token(GITHUB);
  await pushTag('team/99', 'v2', asBearer(token));
  await eventually(() =>
    expect(server.logs()).toContain('"actor":"oidc:github:repo:acme@1234/shop@99:ref:refs/heads/main"'),
  );
  for (const part of token.split('.')) expect(server.logs()).not.toContain(part);
});

test('a token that is refused gets a challenge, and the log says why', async () => {
  const wrong: readonly (readonly [JWTPayload, string])[] = [
    [{ ...GITHUB, aud: 'https://github.com/acme' }, 'issuer github: the token is for another audience'],
    [{ ...GITHUB, exp: Math.floor(Date.now() / 1_000) - 61 }, 'issuer github: the token has expired'],
    [{ ...GITHUB, nbf: Math.floor(Date.now() / 1_000) + 300 }, 'issuer github: the token is not valid yet'],
  ];
  for (const [claims, reason] of wrong) {
    const response = await fetch(`${server.url}/v2/`, { headers: asBearer(await github.token(claims)) });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toMatch(
      /^Bearer realm="[^"]+",service="[^"]+",error="invalid_token"$/,
    );
    await eventually(() => expect(server.logs()).toContain(reason));
  }
  const { status } = await fetch(`${server.url}/v2/`, { headers: asPassword('eyJhbGciOiJub25lIn0.e30.x') });
  expect(status).toBe(401);
});

test('a token of an issuer is exchanged for an own token with the same identity, but not for a refresh token', async () => {
  const password = await github.token({ ...GITHUB, email: 'ann@example.com' });
  const query = new URLSearchParams({
    service: server.host,
    scope: 'repository:team/99:pull,push repository:x:pull',
  });
  const byGet = await fetch(`${server.url}/token?${query}&offline_token=true`, { headers: asPassword(password) });
  const form = { grant_type: 'password', username: 'oidc', password, service: server.host, access_type: 'offline' };
  const byPost = await fetch(`${server.url}/token`, {
    method: 'POST',
    body: new URLSearchParams({ ...form, client_id: 'test', scope: 'repository:team/99:pull,push' }),
  });
  for (const response of [byGet, byPost]) {
    expect(response.status).toBe(200);
    const answer: { token: string; refresh_token?: string } = JSON.parse(await response.text());
    expect(answer.refresh_token).toBeUndefined();
    const claims = decodeJwt(answer.token);
    expect(claims.sub).toBe(`oidc:github:${GITHUB.sub}`);
    expect(claims.access).toEqual([{ type: 'repository', name: 'team/99', actions: ['pull', 'push'] }]);
    expect(JSON.stringify(claims)).not.toContain('ann@example.com');
    expect(await push('team/99', asBearer(answer.token))).toBe(202);
  }
});

test(
  'real clients log in, push and pull with such a token as their password',
  async () => {
    const layout = join(folder, 'image');
    const pushed = await runnableImage();
    writeLayout(layout, pushed, pushed.blobs, 'v1');
    const [crane, skopeo, oras, podman] = await tools('crane', 'skopeo', 'oras', 'podman');
    const password = await github.token(GITHUB);
    const env = { DOCKER_CONFIG: join(folder, 'crane') };
    await run([crane, 'auth', 'login', server.host, '-u', 'oidc', '--password-stdin'], { env, input: password });
    await run([crane, '--insecure', 'push', layout, `${server.host}/team/99:crane`], { env });
    const refused = await attempt([crane, '--insecure', 'push', layout, `${server.host}/team/other:crane`], { env });
    expect(refused.code).not.toBe(0);

    const to = `docker://${server.host}/team/99:skopeo`;
    await run([skopeo, 'copy', '--dest-tls-verify=false', `--dest-creds=oidc:${password}`, `oci:${layout}:v1`, to]);
    const authFile = `--authfile=${join(folder, 'podman.json')}`;
    const login = [podman, 'login', '--tls-verify=false', authFile, '--username=oidc', '--password-stdin', server.host];
    await run(login, { input: password });
    await run([skopeo, 'inspect', '--tls-verify=false', authFile, to]);

    const registryConfig = join(folder, 'oras.json');
    const flags = ['--plain-http', '--registry-config', registryConfig];
    await run([oras, 'login', ...flags, '--username=oidc', '--password-stdin', server.host], { input: password });
    expect(await run([oras, 'repo', 'tags', ...flags, `${server.host}/team/99`])).toContain('skopeo');
  },
  TOOLS_WITHIN_MS,
);

describe('an issuer', () => {
  async function startWith(issuer: string, env: Record<string, string> = {}, jwks = 'discover'): Promise<Server> {
    const path = join(folder, `${crypto.randomUUID()}.yaml`);
    const who = '{who: everyone, repositories: ["**"], actions: [pull, push]}';
    const issuers = `[{name: late, issuer: '${issuer}', audience: ${AUDIENCE}, jwks: '${jwks}'}]`;
    writeFileSync(path, `rules: [${who}]\nissuers: ${issuers}\n`);
    return await startServer({ ACCESS_FILE: path, ...env });
  }

  async function status({ url }: Server, token: string): Promise<number> {
    const response = await fetch(`${url}/v2/`, { headers: asBearer(token) });
    await response.arrayBuffer();
    return response.status;
  }

  const lines = (of: Server) => of.logs().match(/the keys of an issuer cannot be loaded/g)?.length;

  test('that cannot be reached leads to a 401 and one line, and is retried', async () => {
    const port = freePort();
    const url = `http://127.0.0.1:${port}`;
    const late = await startWith(url);
    const key = await issuerKey();
    const now = Math.floor(Date.now() / 1_000);
    const helper = await startIssuer(key);
    const token = await helper.token({ iss: url, sub: 'a', iat: now });
    const all = await Promise.all(Array.from({ length: 50 }, () => status(late, token)));
    expect(new Set(all)).toEqual(new Set([401]));
    await eventually(() => expect(lines(late)).toBe(1));
    const proxy = Bun.serve({
      hostname: '127.0.0.1',
      port,
      fetch: (request) =>
        request.url.endsWith('/keys')
          ? fetch(`${helper.url}/keys`)
          : Response.json({ issuer: url, jwks_uri: `${url}/keys` }),
    });
    await eventually(async () => expect(await status(late, token)).toBe(200));
    await proxy.stop(true);
    await helper.stop();
    await eventually(() => expect(late.logs()).toContain('the keys of an issuer are loaded again'));
    expect(lines(late)).toBe(1);
  });

  test('that never answers keeps a request for five seconds at most, and no other request at all', async () => {
    const stuck = await startIssuer();
    stuck.answer = () => new Promise(() => {});
    const late = await startWith(stuck.url);
    const token = await stuck.token({ sub: 'a' });
    const began = performance.now();
    let isAnswered = false;
    const answer = status(late, token).finally(() => {
      isAnswered = true;
    });
    expect((await fetch(`${late.url}/healthz`)).status).toBe(200);
    expect(isAnswered).toBe(false);
    expect(await answer).toBe(401);
    // Some time for a busy machine.
    expect(performance.now() - began).toBeLessThan(15_000);
    await stuck.stop();
  });

  test('changes its key, and tokens of the new key are accepted immediately', async () => {
    const changing = await startIssuer();
    const late = await startWith(changing.url);
    changing.keys = [await issuerKey('ES256'), ...changing.keys];
    expect(await status(late, await changing.token({ sub: 'a' }))).toBe(200);
    expect(changing.asked).toEqual({ '/.well-known/openid-configuration': 1, '/keys': 1 });
    await changing.stop();
  });

  test('is contacted over https only if its certificate is trusted', async () => {
    const [key, certificate] = [join(folder, 'tls.key'), join(folder, 'tls.pem')];
    const [openssl] = await tools('openssl');
    const san = 'subjectAltName=IP:127.0.0.1';
    const subject = ['-subj', '/CN=issuer', '-addext', san, '-days', '2'];
    await run([
      openssl,
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      key,
      '-out',
      certificate,
      ...subject,
    ]);
    const signing = await issuerKey();
    const port = freePort();
    const url = `https://127.0.0.1:${port}`;
    const secure = Bun.serve({
      hostname: '127.0.0.1',
      port,
      tls: { key: Bun.file(key), cert: Bun.file(certificate) },
      fetch: (request) =>
        request.url.endsWith('/keys')
          ? Response.json({ keys: [signing.jwk] })
          : Response.json({ issuer: url, jwks_uri: `${url}/keys` }),
    });
    const helper = await startIssuer(signing);
    const token = await helper.token({ iss: url, sub: 'a' });
    const distrusting = await startWith(url);
    expect(await status(distrusting, token)).toBe(401);
    await eventually(() => expect(distrusting.logs()).toMatch(/cannot be read: .*certificate/));
    const trusting = await startWith(url, { NODE_EXTRA_CA_CERTS: certificate });
    expect(await status(trusting, token)).toBe(200);
    await helper.stop();
    await secure.stop(true);
  });

  test('whose key file cannot be used stops the start with one line', async () => {
    const path = join(folder, 'empty.json');
    writeFileSync(path, '{"keys": []}');
    const failed = startWith('https://kubernetes.default.svc', {}, path);
    await expect(failed).rejects.toThrow(/has an issuer, late, whose keys cannot be used: .*empty\.json has no key/);
  });
});
