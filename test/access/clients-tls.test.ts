// Clients log in, push and pull over HTTPS with a CA of their own, and not without it; crane, skopeo and podman are in test/tls.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Containerd, startContainerd } from '../clients/containerd.ts';
import { readLayout, runnableImage, writeLayout } from '../clients/layout.ts';
import { CA, type Certificate, makeCertificate } from '../support/certificates.ts';
import { attempt, run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { passwordOf, writeAccessFiles } from './world.ts';

setDefaultTimeout(300_000);

// A short name: buildah and podman refuse a path of more than 50 characters for their runroot.
const folder = temporaryFolder('tls');
const layout = join(folder, 'image');
const account = 'pusher';
const password = passwordOf(account);
const image = await runnableImage();
let ca: Certificate;
let server: Server;
let containerd: Containerd;

beforeAll(async () => {
  await tools('helm', 'cosign', 'oras', 'regctl', 'buildah', 'containerd', 'ctr', 'openssl');
  ca = await makeCertificate('CA of the tests', { extensions: CA });
  const own = await makeCertificate('localhost', { issuer: ca, extensions: ['subjectAltName=IP:127.0.0.1'] });
  const certificate = { TLS_CERT_FILE: own.path, TLS_KEY_FILE: own.keyPath };
  server = await startServer({ ...writeAccessFiles().env, PUBLIC_HOSTS: '', ...certificate });
  writeLayout(layout, image, image.blobs, 'v1');
  containerd = await startContainerd();
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await containerd.stop();
  await cleanUp();
});

/** Checks that a command succeeds with the CA, and fails without it with a reason that names the certificate. */
async function onlyWith(trust: readonly string[], command: readonly string[], input?: string): Promise<void> {
  const options = { cwd: folder, ...(input === undefined ? {} : { input }) };
  const refused = await attempt(command, options);
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toMatch(/x509|certificate/);
  await run([...command, ...trust], options);
}

test('helm', async () => {
  const [helm] = await tools('helm');
  const config = `--registry-config=${join(folder, 'helm.json')}`;
  const trust = ['--ca-file', ca.path];
  mkdirSync(join(folder, 'shop'));
  writeFileSync(join(folder, 'shop', 'Chart.yaml'), 'apiVersion: v2\nname: shop\nversion: 1.0.0\n');
  await run([helm, 'package', join(folder, 'shop'), '--destination', folder]);
  const login = [helm, 'registry', 'login', server.host, config, '--username', account, '--password-stdin'];
  await onlyWith(trust, login, password);
  await onlyWith(trust, [helm, 'push', 'shop-1.0.0.tgz', `oci://${server.host}/ours/charts`, config]);
  await onlyWith(trust, [
    helm,
    'pull',
    `oci://${server.host}/ours/charts/shop`,
    '--version=1.0.0',
    config,
    '-d',
    'shop',
  ]);
});

test('oras', async () => {
  const [oras] = await tools('oras');
  const config = `--registry-config=${join(folder, 'oras.json')}`;
  const trust = ['--ca-file', ca.path];
  writeFileSync(join(folder, 'notes.txt'), 'release notes\n');
  await onlyWith(trust, [oras, 'login', config, `--username=${account}`, '--password-stdin', server.host], password);
  await onlyWith(trust, [oras, 'push', config, `${server.host}/ours/notes:v1`, 'notes.txt']);
  await onlyWith(trust, [oras, 'pull', config, `${server.host}/ours/notes:v1`, '--output=pulled']);
});

test('regctl, which pushes what the next ones pull', async () => {
  const [regctl] = await tools('regctl');
  const env = { REGCTL_CONFIG: join(folder, 'regctl.json') };
  const login = [regctl, 'registry', 'login', server.host, `--user=${account}`, `--pass=${password}`];
  await run([regctl, 'registry', 'set', server.host, `--cacert=${ca.pem}`], { env });
  await run(login, { env });
  await run([regctl, 'image', 'copy', `ocidir://${layout}:v1`, `${server.host}/ours/regctl:v1`], { env });
  await run([regctl, 'image', 'copy', `${server.host}/ours/regctl:v1`, `ocidir://${join(folder, 'regctl')}:v1`], {
    env,
  });
  expect(readLayout(join(folder, 'regctl'))).toEqual(readLayout(layout));
});

test('buildah', async () => {
  const [path] = await tools('buildah');
  const buildah = [path, '--storage-driver=vfs', `--root=${join(folder, 'root')}`, `--runroot=${join(folder, 'run')}`];
  const authFile = `--authfile=${join(folder, 'buildah.json')}`;
  const certs = join(folder, 'certs');
  mkdirSync(certs);
  writeFileSync(join(certs, 'ca.crt'), ca.pem);
  const login = [...buildah, 'login', authFile, `--username=${account}`, `--password=${password}`];
  expect((await attempt([...login, server.host])).stderr).toContain('x509');
  await run([...login, `--cert-dir=${certs}`, server.host]);
  const trusted = [authFile, `--cert-dir=${certs}`];
  const id = (await run([...buildah, 'pull', '--quiet', ...trusted, `${server.host}/ours/regctl:v1`])).trim();
  await run([...buildah, 'push', ...trusted, id, `docker://${server.host}/ours/buildah:v1`]);
  await run([...buildah, 'rmi', '--force', id]);
  expect((await run([...buildah, 'pull', '--quiet', ...trusted, `${server.host}/ours/buildah:v1`])).trim()).toBe(id);
});

test('containerd, which reads the CA in hosts.toml', async () => {
  const reference = `${server.host}/ours/regctl:v1`;
  const hosts = join(folder, 'hosts', server.host);
  mkdirSync(hosts, { recursive: true });
  // Without a file it would use plain HTTP for a loopback address.
  const trust = (ca: string) => writeFileSync(join(hosts, 'hosts.toml'), `[host."${server.url}"]\n${ca}\n`);
  const options = [`--hosts-dir=${join(folder, 'hosts')}`, `--user=${account}:${password}`];
  const pull = () => containerd.attempt('images', 'pull', '--snapshotter=native', ...options, reference);
  trust('');
  expect((await pull()).stderr).toContain('x509');
  trust(`ca = "${ca.path}"`);
  expect(await pull()).toMatchObject({ code: 0 });
  const pushed = [`${server.host}/ours/pushed:v1`, reference];
  expect(await containerd.attempt('images', 'push', ...options, ...pushed)).toMatchObject({ code: 0 });
});

test('cosign', async () => {
  const [cosign] = await tools('cosign');
  const env = { DOCKER_CONFIG: folder, COSIGN_PASSWORD: 'of the key', HOME: folder };
  const options = { cwd: folder, env };
  const reference = `${server.host}/ours/regctl@${image.descriptor.digest}`;
  const identity = [`--registry-username=${account}`, `--registry-password=${password}`];
  await run([cosign, 'generate-key-pair'], options);
  await run([cosign, 'signing-config', 'create', '--out=signing.json'], options);
  await run([cosign, 'trusted-root', 'create', '--out=root.json'], options);
  const offline = ['--signing-config=signing.json', '--trusted-root=root.json', '--yes'];
  const sign = [cosign, 'sign', '--key=cosign.key', ...offline, ...identity, reference];
  await run([...sign, `--registry-cacert=${ca.path}`], options);
  const verify = [cosign, 'verify', '--key=cosign.pub', '--insecure-ignore-tlog=true', ...identity, reference];
  expect(await run([...verify, `--registry-cacert=${ca.path}`], options)).toContain(image.descriptor.digest);
});
