// Archives between Marina and real clients, in both directions.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { linesOf, marina } from '../cli/marina.ts';
import { run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { type Content, emptyConfig, expectStatus, image, index, pushImage, pushManifest } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { forPlatform, runnableImage } from './layout.ts';

// A short name: podman refuses a path of more than 50 characters for its runroot.
const folder = temporaryFolder('tar');
const app = await runnableImage();
const arm = await runnableImage('arm64');
const both = index([forPlatform(app, 'amd64'), forPlatform(arm, 'arm64')]);
const sbom = image({ config: emptyConfig, artifactType: 'application/vnd.example.sbom', subject: app.descriptor });
const signature = image({ config: emptyConfig, artifactType: 'application/vnd.example.sig', subject: sbom.descriptor });
/** An image with referrers. */
const withReferrers = join(folder, 'app.tar');
/** An index of two images, without referrers. */
const platforms = join(folder, 'platforms.tar');
let server: Server;
let skopeo: string[];
let oras: string;
let podman: string[];
let regctl: string[];

beforeAll(async () => {
  const [skopeoPath, orasPath, podmanPath, regctlPath] = await tools('skopeo', 'oras', 'podman', 'regctl', 'runc');
  skopeo = [skopeoPath, '--insecure-policy', '--command-timeout=60s'];
  oras = orasPath;
  const storage = ['--storage-driver=vfs', `--root=${join(folder, 'root')}`, `--runroot=${join(folder, 'run')}`];
  podman = [podmanPath, ...storage, '--runtime=runc', '--cgroup-manager=cgroupfs', '--events-backend=file'];
  server = await startServer();
  regctl = [regctlPath, `--host=reg=${server.host},tls=disabled`];
  for (const each of [app, sbom, signature]) await pushImage(server.url, 'team/app', each);
  await pushManifest(server.url, 'team/app', app, 'v1');
  for (const each of [app, arm]) await pushImage(server.url, 'team/platforms', each);
  await pushManifest(server.url, 'team/platforms', both, 'all');
  await exported(withReferrers, 'team/app:v1');
  await exported(platforms, 'team/platforms:all');
}, TOOLS_WITHIN_MS);
afterAll(cleanUp);

async function exported(path: string, ...names: readonly string[]): Promise<void> {
  const { code, stderr } = await marina(server.dataPath, 'export', ...names, '-o', path);
  expect([code, stderr]).toEqual([0, '']);
}

async function load(...args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await marina(server.dataPath, 'load', '--json', ...args);
  expect([code, stderr, linesOf(stdout).length]).toEqual([0, '', 1]);
}

/** Checks that a tag is what was pushed, byte for byte. */
async function expectServed(repo: string, reference: string, { descriptor, bytes }: Content): Promise<void> {
  const headers = { accept: descriptor.mediaType };
  const served = await expectStatus(200, `${server.url}/v2/${repo}/manifests/${reference}`, { headers });
  expect(served.headers.get('docker-content-digest')).toBe(descriptor.digest);
  expect(Buffer.compare(served.bytes, bytes)).toBe(0);
}

async function expectBlobs(repo: string, ...images: readonly { readonly blobs: readonly Content[] }[]): Promise<void> {
  for (const { descriptor } of images.flatMap(({ blobs }) => blobs)) {
    await expectStatus(200, `${server.url}/v2/${repo}/blobs/${descriptor.digest}`, { method: 'HEAD' });
  }
}

async function expectReferrers(repo: string): Promise<void> {
  for (const [subject, referrer] of [
    [app, sbom],
    [sbom, signature],
  ] as const) {
    const { bytes } = await expectStatus(200, `${server.url}/v2/${repo}/referrers/${subject.descriptor.digest}`);
    const listed: { manifests: { digest: string }[] } = JSON.parse(new TextDecoder().decode(bytes));
    expect(listed.manifests.map(({ digest }) => digest)).toEqual([referrer.descriptor.digest]);
    await expectServed(repo, referrer.descriptor.digest, referrer);
  }
}

const plain = ['--src-tls-verify=false', '--dest-tls-verify=false', '--preserve-digests'];

test('skopeo copies an image with referrers out of an exported archive, and one that it wrote is loaded', async () => {
  await run([...skopeo, 'copy', ...plain, `oci-archive:${withReferrers}:v1`, `docker://${server.host}/skopeo/app:v1`]);
  await expectServed('skopeo/app', 'v1', app);

  const own = join(folder, 'skopeo.tar');
  const source = `docker://${server.host}/team/platforms:all`;
  await run([...skopeo, 'copy', '--all', ...plain, source, `oci-archive:${own}:registry.example/team/there:all`]);
  await load(own);
  await expectServed('team/there', 'all', both);
  await expectBlobs('team/there', app, arm);
});

test('skopeo needs no name for an archive of one index, and copies all its images', async () => {
  const to = `docker://${server.host}/skopeo/platforms:all`;
  await run([...skopeo, 'copy', '--all', ...plain, `oci-archive:${platforms}`, to]);
  await expectServed('skopeo/platforms', 'all', both);
});

test('oras copies an image with all its referrers out of an exported archive, and a backup that it wrote is loaded', async () => {
  const api = '--to-distribution-spec=v1.1-referrers-api';
  const to = ['--to-plain-http', api, `${server.host}/oras/app:v1`];
  await run([oras, 'cp', '--recursive', '--from-oci-layout', `${withReferrers}:v1`, ...to]);
  await expectServed('oras/app', 'v1', app);
  await expectReferrers('oras/app');

  const own = join(folder, 'oras.tar');
  const source = `${server.host}/team/app:v1`;
  await run([oras, 'backup', '--plain-http', '--include-referrers', `--output=${own}`, source]);
  await load(own, 'oras/loaded');
  await expectServed('oras/loaded', 'v1', app);
  await expectReferrers('oras/loaded');
});

test('oras restores an exported archive', async () => {
  await run([oras, 'restore', '--plain-http', `--input=${withReferrers}`, `${server.host}/oras/restored:v1`]);
  await expectServed('oras/restored', 'v1', app);
});

test('podman runs what was exported, and an OCI archive that it saved is loaded', async () => {
  await pushImage(server.url, 'team/single', app, 'v1');
  await run([...podman, 'load', `--input=${withReferrers}`]);
  const [config] = app.blobs;
  const listed = await run([...podman, 'images', '--no-trunc', '--format={{.Repository}}:{{.Tag}} {{.ID}}']);
  expect(listed).toContain(`team/app:v1 ${config?.descriptor.digest}`);

  const reference = `${server.host}/team/single:v1`;
  await run([...podman, 'pull', '--tls-verify=false', reference]);
  const own = join(folder, 'podman.tar');
  await run([...podman, 'save', '--format=oci-archive', `--output=${own}`, reference]);
  // Podman unpacked the layers, and compressed them again for the archive, so the digests may be others.
  await load('--move-tags', own);
  const { bytes } = await expectStatus(200, `${server.url}/v2/team/single/tags/list`);
  expect(JSON.parse(new TextDecoder().decode(bytes)).tags).toEqual(['v1']);
  await load(own, 'podman/loaded');
  await run([...podman, 'pull', '--tls-verify=false', `${server.host}/podman/loaded:v1`]);

  const old = join(folder, 'docker-archive.tar');
  await run([...podman, 'save', `--output=${old}`, reference]);
  const refused = await marina(server.dataPath, 'load', old, 'podman/old');
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('skopeo copy docker-archive:')]);
  // The advice works.
  const converted = join(folder, 'converted.tar');
  await run([...skopeo, 'copy', `docker-archive:${old}`, `oci-archive:${converted}:v1`]);
  await load(converted, 'podman/converted');
});

test('regctl imports an exported archive, and one that it wrote is loaded', async () => {
  const options = { env: { REGCTL_CONFIG: join(folder, 'regctl.json') } };
  await run([...regctl, 'image', 'import', `${server.host}/regctl/platforms:all`, platforms], options);
  await expectServed('regctl/platforms', 'all', both);

  const own = join(folder, 'regctl.tar');
  await run([...regctl, 'image', 'export', `${server.host}/team/platforms:all`, own], options);
  await load(own, 'regctl/loaded');
  await expectServed('regctl/loaded', 'all', both);
});

test('an archive of a folder that GNU tar packed is loaded', async () => {
  const layout = join(folder, 'packed');
  await run([...skopeo, 'copy', ...plain, `docker://${server.host}/team/app:v1`, `oci:${layout}:v1`]);
  const packed = join(folder, 'packed.tar');
  await run(['tar', '-C', layout, '-cf', packed, '.']);
  await load(packed, 'packed/app');
  await expectServed('packed/app', 'v1', app);
});
