// Podman and Buildah share storage and transport; each builds, pushes, removes, pulls and compares an image.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt, run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { digestOf, expectStatus, mediaTypes } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { runnableImage, writeLayout } from './layout.ts';

const folder = temporaryFolder('podman');
const files = { small: randomBytes(1_000), large: randomBytes(9 * 1024 * 1024) };
let podman: string[];
let buildah: string[];
let server: Server;

beforeAll(async () => {
  const [podmanPath, buildahPath] = await tools('podman', 'buildah', 'runc');
  const storage = ['--storage-driver=vfs', `--root=${join(folder, 'root')}`, `--runroot=${join(folder, 'run')}`];
  // Without systemd, as in a container, only cgroupfs works. runc is the installed runtime.
  podman = [podmanPath, ...storage, '--runtime=runc', '--cgroup-manager=cgroupfs', '--events-backend=file'];
  buildah = [buildahPath, ...storage];
  server = await startServer();
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  const steps = ['FROM scratch', ...Object.keys(files).map((name) => `COPY ${name} /${name}`)];
  writeFileSync(join(folder, 'Containerfile'), steps.join('\n'));
}, TOOLS_WITHIN_MS);
afterAll(cleanUp);

function at(reference: string): string {
  return `${server.host}/podman/${reference}`;
}

async function build(reference: string): Promise<void> {
  await run([...podman, 'build', '--isolation=chroot', '--format=oci', `--tag=${at(reference)}`, folder]);
}

/** Pushes. @returns the digest, on which client and registry must agree */
async function push(client: readonly string[], name: string): Promise<string> {
  const digestFile = join(folder, `${name}.digest`);
  await run([...client, 'push', '--tls-verify=false', `--digestfile=${digestFile}`, at(`${name}:v1`)]);
  const digest = readFileSync(digestFile, 'utf8').trim();
  const headers = { accept: mediaTypes.manifest };
  const served = await expectStatus(200, `${server.url}/v2/podman/${name}/manifests/v1`, { headers });
  expect(digestOf(served.bytes)).toBe(digest);
  return digest;
}

function expectFiles(mounted: string): void {
  for (const [name, bytes] of Object.entries(files)) {
    expect(digestOf(readFileSync(join(mounted.trim(), name)))).toBe(digestOf(bytes));
  }
}

test('an image built by podman is pushed, removed locally, and pulled unchanged', async () => {
  const reference = at('built:v1');
  await build('built:v1');
  const digest = await push(podman, 'built');
  const [id] = (await run([...podman, 'image', 'inspect', '--format={{.Id}}', reference])).split('\n');
  await run([...podman, 'rmi', '--force', reference]);

  await run([...podman, 'pull', '--tls-verify=false', reference]);
  const pulled = await run([...podman, 'image', 'inspect', '--format={{.Id}} {{.Digest}}', reference]);
  expect(pulled.trim()).toBe(`${id} ${digest}`);
  expectFiles(await run([...podman, 'image', 'mount', reference]));
  await run([...podman, 'image', 'unmount', reference]);
});

test('an image committed by buildah is pushed, removed locally, and pulled unchanged', async () => {
  const reference = at('committed:v1');
  const container = (await run([...buildah, 'from', 'scratch'])).trim();
  for (const name of Object.keys(files)) await run([...buildah, 'add', container, join(folder, name), `/${name}`]);
  await run([...buildah, 'commit', '--rm', container, reference]);
  const digest = await push(buildah, 'committed');
  await run([...buildah, 'rmi', '--force', reference]);

  await run([...buildah, 'pull', '--tls-verify=false', at(`committed@${digest}`)]);
  const again = (await run([...buildah, 'from', '--pull-never', at(`committed@${digest}`)])).trim();
  expectFiles(await run([...buildah, 'mount', again]));
  await run([...buildah, 'rm', again]);
});

test('podman pushes a manifest list with its images, and pulls the image of its own platform', async () => {
  const list = at('list:v1');
  await run([...podman, 'manifest', 'create', list]);
  for (const architecture of ['amd64', 'arm64']) {
    const image = await runnableImage(architecture);
    writeLayout(join(folder, architecture), image, image.blobs, 'v1');
    await run([...podman, 'manifest', 'add', list, `oci:${join(folder, architecture)}:v1`]);
  }
  await run([...podman, 'manifest', 'push', '--all', '--tls-verify=false', list, `docker://${list}`]);
  const headers = { accept: mediaTypes.index };
  const served = await expectStatus(200, `${server.url}/v2/podman/list/manifests/v1`, { headers });
  expect(served.headers.get('content-type')).toBe(mediaTypes.index);
  await run([...podman, 'manifest', 'rm', list]);
  await run([...podman, 'pull', '--tls-verify=false', '--platform=linux/arm64', list]);
  expect(await run([...podman, 'image', 'inspect', '--format={{.Architecture}}', list])).toBe('arm64\n');
});

test('podman lists the tags, and reports a deleted image as unknown', async () => {
  await build('listed:v1');
  for (const tag of ['v1', 'v2'])
    await run([...podman, 'push', '--tls-verify=false', at('listed:v1'), at(`listed:${tag}`)]);
  const search = [...podman, 'search', '--tls-verify=false', '--list-tags', '--format=json', at('listed')];
  expect(JSON.parse(await run(search))).toMatchObject([{ Tags: ['v1', 'v2'] }]);

  await expectStatus(202, `${server.url}/v2/podman/listed/manifests/v1`, { method: 'DELETE' });
  expect(JSON.parse(await run(search))).toMatchObject([{ Tags: ['v2'] }]);
  const gone = await attempt([...podman, 'pull', '--tls-verify=false', at('listed:v1')]);
  expect(gone.code).not.toBe(0);
  expect(gone.stderr).toContain('manifest unknown');
});
