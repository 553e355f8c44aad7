// Real clients push and pull over TLS with a CA of their own, and with client certificates.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeAccessFiles } from '../access/world.ts';
import { readLayout, runnableImage, writeLayout } from '../clients/layout.ts';
import { attempt, run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import type { Image } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { Authority, CertificateFiles } from './authority.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const RULES = `
rules:
  - { who: 'cert:deployer', repositories: ['**'], actions: [pull, push] }
  - { who: anonymous, repositories: ['open/**'], actions: [pull, push] }
`;

// A short name: podman refuses a path of more than 50 characters for its runroot.
const folder = temporaryFolder('tls');
const layout = join(folder, 'layout');
let authority: Authority;
let server: Server;
let pushed: Image;
let crane: string;
let skopeo: string;
let podman: string[];
/** A folder with ca.crt, as skopeo and podman read it. */
let certs: string;
/** The same with a client certificate. */
let clientCerts: string;

beforeAll(async () => {
  const [cranePath, skopeoPath, podmanPath] = await tools('crane', 'skopeo', 'podman', 'runc', 'openssl');
  [crane, skopeo] = [cranePath, skopeoPath];
  const storage = ['--storage-driver=vfs', `--root=${join(folder, 'root')}`, `--runroot=${join(folder, 'run')}`];
  podman = [podmanPath, ...storage, '--runtime=runc', '--cgroup-manager=cgroupfs', '--events-backend=file'];
  authority = await Authority.open();
  const client = await authority.issue({ subject: '/CN=deployer', extensions: ['extendedKeyUsage=clientAuth'] });
  [certs, clientCerts] = ['certs', 'client-certs'].map((name) => join(folder, name)) as [string, string];
  for (const each of [certs, clientCerts]) {
    mkdirSync(each);
    writeFileSync(join(each, 'ca.crt'), authority.pem);
  }
  writeFileSync(join(clientCerts, 'client.cert'), client.cert);
  writeFileSync(join(clientCerts, 'client.key'), client.key);
  const files = new CertificateFiles(await authority.issue()).env;
  const access = { ...writeAccessFiles(RULES).env, PUBLIC_HOSTS: '', TLS_CLIENT_CA_FILE: authority.file };
  server = await startServer({ ...files, ...access });
  pushed = await runnableImage();
  writeLayout(layout, pushed, pushed.blobs, 'v1');
}, TOOLS_WITHIN_MS);

function expectWhole(into: string): void {
  const found = readLayout(into);
  for (const { bytes, descriptor } of [pushed, ...pushed.blobs]) {
    expect(Buffer.from(found.get(descriptor.digest) ?? []).equals(bytes)).toBe(true);
  }
}

test('crane pushes and pulls with the CA in SSL_CERT_FILE, and not without it', async () => {
  const into = join(folder, 'crane');
  const env = { SSL_CERT_FILE: authority.file };
  const image = `${server.host}/open/crane:v1`;
  const refused = await attempt([crane, 'push', layout, image]);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('x509')]);
  await run([crane, 'push', layout, image], { env });
  await run([crane, 'pull', '--format=oci', image, into], { env });
  expectWhole(into);
});

test.each(['open/skopeo', 'team/skopeo'])('skopeo pushes to and pulls from %s', async (repository) => {
  const into = join(folder, repository);
  mkdirSync(into, { recursive: true });
  const image = `docker://${server.host}/${repository}:v1`;
  const dir = repository.startsWith('open/') ? certs : clientCerts;
  const copy = [skopeo, '--insecure-policy', 'copy', `--src-cert-dir=${dir}`, `--dest-cert-dir=${dir}`];
  await run([...copy, `oci:${layout}:v1`, image]);
  await run([...copy, image, `oci:${into}:v1`]);
  expectWhole(into);
});

test('podman pushes and pulls with the CA and a client certificate of --cert-dir', async () => {
  const image = `${server.host}/team/podman:v1`;
  const open = `${server.host}/open/podman:v1`;
  await run([crane, 'push', layout, open], { env: { SSL_CERT_FILE: authority.file } });
  const id = (await run([...podman, 'pull', '--quiet', `--cert-dir=${certs}`, open])).trim();
  await run([...podman, 'push', `--cert-dir=${clientCerts}`, id, image]);
  await run([...podman, 'rmi', '--force', id]);
  const refused = await attempt([...podman, 'pull', `--cert-dir=${certs}`, image]);
  expect(refused.code).not.toBe(0);
  await run([...podman, 'pull', `--cert-dir=${clientCerts}`, image]);
  expect((await run([...podman, 'image', 'inspect', '--format={{.Id}}', image])).trim()).toBe(id);
});

test('a blob of 1 GiB arrives whole', async () => {
  const [curl] = await tools('curl');
  const [blob, got] = [join(folder, 'gib'), join(folder, 'got')];
  const piece = new Uint8Array(64 * 1024 ** 2);
  const writer = Bun.file(blob).writer();
  const hash = new Bun.CryptoHasher('sha256');
  for (let i = 0; i < 16; i++) {
    for (let at = 0; at < piece.length; at += 65_536) crypto.getRandomValues(piece.subarray(at, at + 65_536));
    hash.update(piece);
    writer.write(piece);
    await writer.flush();
  }
  await writer.end();
  const digest = `sha256:${hash.digest('hex')}`;
  const tls = { ca: authority.pem };
  const begun = await fetch(`${server.url}/v2/open/big/blobs/uploads/`, { method: 'POST', tls });
  const target = new URL(begun.headers.get('location') ?? '', server.url);
  target.searchParams.set('digest', digest);
  const transfer = [curl, '--silent', '--fail', '--cacert', authority.file];
  await run([...transfer, '--upload-file', blob, '-H', 'Content-Type: application/octet-stream', target.href]);
  await run([...transfer, '--output', got, `${server.url}/v2/open/big/blobs/${digest}`]);
  const back = new Bun.CryptoHasher('sha256');
  for await (const chunk of Bun.file(got).stream()) back.update(chunk);
  expect(`sha256:${back.digest('hex')}`).toBe(digest);
});
