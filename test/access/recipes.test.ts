// Follows each recipe of docs/access.md with real clients, and checks that no caller may do more than it says.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportJWK, importPKCS8 } from 'jose';
import { parse, parseAllDocuments } from 'yaml';
import { startContainerd } from '../clients/containerd.ts';
import { type Docker, startDocker } from '../clients/dockerd.ts';
import { runnableImage } from '../clients/layout.ts';
import { makeCertificate } from '../support/certificates.ts';
import { run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { inFolder, startDistribution, stopDistributions, withAccounts } from '../support/distribution.ts';
import { eventually } from '../support/eventually.ts';
import { image, pushImage } from '../support/oci.ts';
import { issuerKey, startIssuer } from '../support/oidc-issuer.ts';
import { secret } from '../support/secrets.ts';
import { cleanUp, freePort, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { startTokenServer, TOKEN_SERVER_ISSUER } from '../support/token-server.ts';
import { Authority, type Certificate } from '../tls/authority.ts';
import { Recipe, titles } from './recipe.ts';

setDefaultTimeout(300_000);

const PASSWORD = secret('correct horse battery staple');
const TOOLS = ['docker', 'crane', 'curl', 'jq', 'htpasswd', 'openssl', 'haproxy', 'skopeo'] as const;
const followed: string[] = [];
const folder = temporaryFolder('recipes');
let docker: Docker;
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  await tools('dockerd', 'containerd', 'ctr', 'registry');
  const paths = await tools(...TOOLS);
  for (const [index, path] of paths.entries()) symlinkSync(path, join(folder, TOOLS[index] ?? ''));
  docker = await startDocker();
  env = { ...docker.env, PASSWORD, PATH: `${folder}:${process.env.PATH}` };
  const archive = join(folder, 'files.tar');
  await Bun.write(archive, new Bun.Archive({ notes: 'release notes\n' }));
  await docker.command('import', archive, 'app:v1');
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await docker.stop();
  await stopDistributions();
  await cleanUp();
});

/** A test that follows the recipe with this heading. */
function recipe(title: string, follow: (open: typeof openRecipe) => Promise<void>): void {
  followed.push(title);
  test(title, () => follow(openRecipe));

  function openRecipe(substitutions: Readonly<Record<string, string>> = {}, port = freePort()): Recipe {
    return new Recipe(title, port, substitutions, env);
  }
}

const basic = (account: string, password = PASSWORD) => ({
  authorization: `Basic ${Buffer.from(`${account}:${password}`).toString('base64')}`,
});

type Headers = Readonly<Record<string, string>>;

async function status({ url }: Server, path: string, headers: Headers = {}, method = 'GET'): Promise<number> {
  const response = await fetch(`${url}/v2/${path}`, { method, headers });
  await response.arrayBuffer();
  return response.status;
}

/** The status of a push's first request. */
const push = (server: Server, repo: string, headers?: Headers) =>
  status(server, `${repo}/blobs/uploads/`, headers, 'POST');

recipe('A small team', async (open) => {
  const small = open();
  expect(await small.onServer()).toContain('allowed');
  const server = await small.startServer();
  await small.onClient();
  const tag = 'team/app/manifests/v1';
  expect(await status(server, tag, basic('production'))).toBe(200);
  expect(await push(server, 'team/app', basic('production'))).toBe(403);
  expect(await status(server, tag, basic('bob'), 'DELETE')).toBe(403);
  expect(await status(server, tag)).toBe(401);
  expect(await status(server, '_catalog', basic('bob'))).toBe(200);
  expect(await status(server, tag, basic('alice'), 'DELETE')).toBe(202);
});

recipe('Anonymous pulls', async (open) => {
  const anonymous = open();
  await anonymous.onServer();
  const server = await anonymous.startServer();
  await anonymous.onClient();
  await eventually(() => expect(server.logs()).toMatch(/"actor":"anonymous".*"rule":1/));
  expect(await status(server, 'public/app/manifests/v1')).toBe(200);
  expect(await push(server, 'public/app')).toBe(401);
  expect(await push(server, 'internal/app', basic('publisher'))).toBe(403);
});

interface Workflow {
  readonly jobs: { readonly build: { readonly steps: readonly { readonly run: string }[] } };
}
interface Pipeline {
  readonly build: {
    readonly id_tokens: { readonly REGISTRY_TOKEN: { readonly aud: string } };
    readonly script: string[];
  };
}

recipe('CI of GitHub and GitLab', async (open) => {
  const github = await startIssuer();
  const gitlab = await startIssuer();
  const main = { repository: 'acme/shop', repository_id: '99', repository_owner_id: '1234', ref: 'refs/heads/main' };
  const claims = { ...main, sub: 'repo:acme/shop:ref:refs/heads/main' };
  // The environment that a runner gives its job.
  const runner = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      if (request.headers.get('authorization') !== 'bearer of the job') return new Response('no', { status: 401 });
      const aud = new URL(request.url).searchParams.get('audience') ?? '';
      return Response.json({ value: await github.token({ ...claims, aud }) });
    },
  });
  try {
    const issuers = {
      'https://token.actions.githubusercontent.com': github.url,
      'https://gitlab.example.com': gitlab.url,
    };
    const ci = open(issuers);
    const server = await ci.startServer();

    const workflow = parse(ci.block('.github/workflows/build.yml')) as Workflow;
    for (const step of workflow.jobs.build.steps) {
      await ci.bash(step.run, {
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of the job',
        ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${runner.port}/token?api-version=2.0`,
      });
    }
    const { build } = parse(ci.block('.gitlab-ci.yml')) as Pipeline;
    const { aud } = build.id_tokens.REGISTRY_TOKEN;
    const protectedBranch = { aud, sub: 'project_path:team/app:ref_type:branch:ref:main', namespace_path: 'team' };
    const token = await gitlab.token({ ...protectedBranch, ref_protected: 'true' });
    await ci.bash(build.script.join('\n'), { REGISTRY_TOKEN: token });

    const job = async (changed: Readonly<Record<string, string>>) =>
      basic('oidc', await github.token({ ...claims, aud: ci.host, ...changed }));
    expect(await push(server, 'builds/99/app', await job({ ref: 'refs/heads/other' }))).toBe(202);
    expect(await push(server, 'builds/98/app', await job({}))).toBe(403);
    expect(await push(server, 'shop/app', await job({ ref: 'refs/pull/7/merge' }))).toBe(403);
    expect(await push(server, 'shop/app', await job({ repository_id: '98', repository_owner_id: '666' }))).toBe(403);
    expect(await push(server, 'shop/app', await job({ aud: 'sts.amazonaws.com' }))).toBe(401);
    const unprotected = basic('oidc', await gitlab.token({ ...protectedBranch, ref_protected: 'false' }));
    expect(await push(server, 'team/app', unprotected)).toBe(403);
  } finally {
    await runner.stop(true);
    await github.stop();
    await gitlab.stop();
  }
});

interface PullSecret {
  readonly stringData: { readonly '.dockerconfigjson': string };
}
interface CredentialProviders {
  readonly providers: readonly { readonly tokenAttributes: { readonly serviceAccountTokenAudience: string } }[];
}
interface Credentials {
  readonly auth?: Readonly<Record<string, { readonly username: string; readonly password: string }>>;
  readonly auths?: Credentials['auth'];
}

recipe('Kubernetes', async (open) => {
  const cluster = await startIssuer(await issuerKey('ES256'));
  const containerd = await startContainerd();
  try {
    const url = 'https://kubernetes.default.svc.cluster.local';
    const kubernetes = open({ [url]: cluster.url, '"PASSWORD"': JSON.stringify(PASSWORD) });
    const keys = { keys: cluster.keys.map(({ jwk }) => jwk) };
    writeFileSync(kubernetes.path('/etc/marina/cluster-keys.json'), JSON.stringify(keys));
    await kubernetes.onServer();
    const STORAGE_PATH = temporaryFolder('kubernetes');
    const withoutAccess = await startServer({ STORAGE_PATH });
    await pushImage(withoutAccess.url, 'team/app', await runnableImage(), 'v1');
    await withoutAccess.stop();
    const server = await kubernetes.startServer({ STORAGE_PATH });
    const reference = `${kubernetes.host}/team/app:v1`;

    const pull = async ({ auth, auths }: Credentials): Promise<string> => {
      const { username = '', password = '' } = (auth ?? auths)?.[kubernetes.host] ?? {};
      const native = ['--snapshotter=native', '--plain-http', `--user=${username}:${password}`];
      const { code, stderr } = await containerd.attempt('images', 'pull', ...native, reference);
      return code === 0 ? 'pulled' : stderr;
    };
    const secret = parse(kubernetes.block('pull-secret.yaml')) as PullSecret;
    expect(await pull(JSON.parse(secret.stringData['.dockerconfigjson']))).toBe('pulled');

    const { providers } = parse(kubernetes.block('credential-providers.yaml')) as CredentialProviders;
    const [provider] = providers;
    expect(provider).toMatchObject({ name: 'marina-credential-provider', matchImages: [kubernetes.host] });
    const audience = provider?.tokenAttributes.serviceAccountTokenAudience ?? '';
    const [role] = parseAllDocuments(kubernetes.block('audience.yaml'));
    expect(role?.toJS()).toMatchObject({ rules: [{ resources: [audience] }] });
    const provide = async (subject: string): Promise<Credentials> => {
      const serviceAccountToken = await cluster.token({ aud: [audience], sub: subject });
      const request = {
        apiVersion: 'credentialprovider.kubelet.k8s.io/v1',
        kind: 'CredentialProviderRequest',
        image: reference,
        serviceAccountToken,
      };
      return JSON.parse(
        await kubernetes.bash(kubernetes.block('marina-credential-provider'), {}, JSON.stringify(request)),
      );
    };
    expect(await pull(await provide('system:serviceaccount:shop:web'))).toBe('pulled');
    expect(await pull(await provide('system:serviceaccount:other:web'))).toContain('pull access denied');
    await eventually(() => expect(server.logs()).toContain('"actor":"oidc:cluster:system:serviceaccount:shop:web"'));
  } finally {
    await containerd.stop();
    await cluster.stop();
  }
});

recipe('With an existing token server', async (open) => {
  const certificate = await makeCertificate('docker_auth');
  const privateKey = await importPKCS8(certificate.key, 'ES256', { extractable: true });
  const key = { algorithm: 'ES256', jwk: await exportJWK(privateKey), privateKey } as const;
  const port = freePort();
  const rights = (user: string | undefined, _: string, name: string) =>
    user === 'alice' && name.startsWith('team/') ? ['pull', 'push'] : [];
  const header = { x5c: [certificate.der] };
  const tokenServer = startTokenServer({ key, header, passwords: { alice: PASSWORD }, rights });
  try {
    const auth = open(
      { 'https://auth.example.com/auth': tokenServer.realm, 'ISSUER=docker_auth': `ISSUER=${TOKEN_SERVER_ISSUER}` },
      port,
    );
    writeFileSync(auth.path('/etc/marina/docker_auth.crt'), certificate.pem);
    const server = await auth.startServer();
    await auth.onClient();
    await eventually(() => expect(server.logs()).toContain('"actor":"token:alice"'));
    expect(await push(server, 'team/app')).toBe(401);
    expect(await push(server, 'team/app', basic('alice'))).toBe(401);
    const refused = auth.bash('docker tag app:v1 "$HOST/other/app:v1"; docker push "$HOST/other/app:v1"', {
      HOST: auth.host,
    });
    await expect(refused).rejects.toThrow('requested access to the resource is denied');
  } finally {
    await tokenServer.stop();
  }
});

recipe('Robots', async (open) => {
  const robots = open();
  const server = await robots.startServer({ STORAGE_PATH: robots.path('/var/lib/marina') });
  const shown = await robots.onServer();
  const [, secret = ''] = /^password +(marina_rt_\S+)$/m.exec(shown) ?? [];
  await robots.onClient({ REGISTRY_PASSWORD: secret });
  await eventually(() => expect(server.logs()).toContain('"actor":"robot:build-app"'));
  const robot = basic('robot+build-app', secret);
  expect(await status(server, 'team/app/manifests/v1', robot)).toBe(200);
  expect(await status(server, 'team/app/manifests/v1', robot, 'DELETE')).toBe(403);
  expect(await push(server, 'other/app', robot)).toBe(403);
  expect(await status(server, 'team/app/manifests/v1')).toBe(401);
});

recipe('Moving from registry:2', async (open) => {
  const old = temporaryFolder('registry');
  const accounts = join(old, 'htpasswd');
  writeFileSync(accounts, await run([join(folder, 'htpasswd'), '-Bbn', 'alice', PASSWORD]));
  const distribution = await startDistribution(inFolder(old), withAccounts(accounts));
  const moving = open(
    { '/var/lib/registry': old, '/etc/registry/htpasswd': accounts },
    Number(new URL(distribution.url).port),
  );
  const script =
    'docker login --username alice --password-stdin "$HOST"; docker tag app:v1 "$HOST/team/app:v1"; docker push "$HOST/team/app:v1"';
  await moving.bash(`printf %s "$PASSWORD" | ${script}`, { HOST: moving.host });
  await distribution.stop();

  await moving.onServer();
  const server = await moving.startServer();
  await moving.onClient();
  await eventually(() => expect(server.logs()).toContain('"actor":"user:alice"'));
  expect(await push(server, 'team/app', basic('alice'))).toBe(202);
  expect(await push(server, 'team/app', basic('alice', 'wrong password'))).toBe(401);
});

recipe('Client certificates', async (open) => {
  const machines = open();
  const [authority, clients] = await Promise.all([Authority.open('servers'), Authority.open('machines')]);
  const { cert, key } = await authority.issue();
  const certs = `/etc/containers/certs.d/${machines.host}`;
  const extensions = ['extendedKeyUsage=clientAuth'];
  const become = async (subject: string): Promise<Certificate> => {
    const client = await clients.issue({ subject, extensions });
    machines.write(`${certs}/client.cert`, client.cert);
    machines.write(`${certs}/client.key`, client.key);
    return client;
  };
  machines.write('/etc/marina/tls/fullchain.pem', cert);
  machines.write('/etc/marina/tls/privkey.pem', key);
  machines.write('/etc/marina/tls/machines.pem', clients.pem);
  machines.write(`${certs}/ca.crt`, authority.pem);
  const server = await machines.startServer();
  const archive = machines.write('/var/lib/build/app.tar', '');
  await docker.command('save', '--output', archive, 'app:v1');
  await become('/CN=build-1');
  await machines.onClient();
  const other = await become('/CN=web-1');
  await expect(machines.onClient()).rejects.toThrow(/denied/i);
  const tls = { ca: authority.pem, ...other };
  expect((await fetch(`${server.url}/v2/team/app/manifests/v1`, { tls })).status).toBe(200);
  expect((await fetch(`${server.url}/v2/team/app/manifests/v1`, { tls: { ca: authority.pem } })).status).toBe(401);
});

recipe('Behind a TLS proxy', async (open) => {
  const port = freePort();
  const inner = freePort();
  const proxied = open({ ':443': `127.0.0.1:${port}`, '127.0.0.1:5000': `127.0.0.1:${inner}` }, port);
  await proxied.onServer();
  const server = await proxied.startServer({ PORT: String(inner) });
  const pem = proxied.path('/etc/haproxy/registry.pem');
  const subject = "-subj /CN=localhost -addext 'subjectAltName=DNS:localhost'";
  await proxied.bash(
    `openssl req -x509 -newkey ed25519 -nodes ${subject} -keyout '${pem}' -out '${pem}.cert'; cat '${pem}.cert' >> '${pem}'`,
  );
  const proxy = Bun.spawn([join(folder, 'haproxy'), '-db', '-f', proxied.path('/etc/haproxy/haproxy.cfg')], {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'inherit',
  });
  try {
    await eventually(async () => {
      const socket = await Bun.connect({ hostname: '127.0.0.1', port, socket: { data: () => undefined } });
      socket.end();
    });
    await proxied.onClient({ CURL_CA_BUNDLE: `${pem}.cert` });
    await eventually(() => expect(server.logs()).toContain('"actor":"user:alice"'));
    expect(await push(server, 'team/app', basic('alice'))).toBe(202);
    expect(await push(server, 'team/app')).toBe(401);
  } finally {
    proxy.kill();
    await proxy.exited;
  }
});

recipe('A read-only mirror', async (open) => {
  const upstream = await startServer();
  await pushImage(upstream.url, 'library/app', await runnableImage(), 'v1');
  await pushImage(upstream.url, 'library/app', image(), 'v2');
  const mirror = open({ 'upstream.example.com': upstream.host });
  await mirror.onServer();
  const server = await mirror.startServer();
  await mirror.onClient();
  expect(await status(server, 'library/app/manifests/v2')).toBe(200);
  expect(await push(server, 'library/app')).toBe(401);
  expect(await status(server, 'library/app/manifests/v1', basic('mirror'), 'DELETE')).toBe(403);
});

test('every recipe has a test', () => {
  expect(followed).toEqual([...titles]);
});
