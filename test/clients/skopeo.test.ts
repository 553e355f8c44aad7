import { afterAll, beforeAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { attempt, run, runBytes, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { expectStatus, index, mediaTypes } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { forPlatform, readLayout, runnableImage, writeLayout } from './layout.ts';

const image = await runnableImage();
const folder = temporaryFolder('skopeo');
const source = `oci:${join(folder, 'source')}:v1`;
const plain = ['--src-tls-verify=false', '--dest-tls-verify=false'];
let skopeo: string[];
let server: Server;

beforeAll(async () => {
  const [path] = await tools('skopeo');
  skopeo = [path, '--insecure-policy', '--command-timeout=60s'];
  server = await startServer();
  writeLayout(join(folder, 'source'), image, image.blobs, 'v1');
}, TOOLS_WITHIN_MS);
afterAll(cleanUp);

function remote(reference: string): string {
  return `docker://${server.host}/${reference}`;
}

async function copy(from: string, to: string, ...flags: string[]): Promise<void> {
  await run([...skopeo, 'copy', ...plain, ...flags, from, to]);
}

test('an image pushed and pulled again is the same, byte for byte', async () => {
  await copy(source, remote('skopeo/image:v1'), '--preserve-digests');
  const raw = await runBytes([...skopeo, 'inspect', '--raw', '--tls-verify=false', remote('skopeo/image:v1')]);
  expect(raw).toEqual(image.bytes);

  await copy(remote('skopeo/image:v1'), `oci:${join(folder, 'pulled')}:v1`, '--preserve-digests');
  expect(readLayout(join(folder, 'pulled'))).toEqual(readLayout(join(folder, 'source')));
});

test('all images of an index are pushed and pulled', async () => {
  const arm = await runnableImage('arm64');
  const both = index([forPlatform(image, 'amd64'), forPlatform(arm, 'arm64')]);
  writeLayout(join(folder, 'index'), both, [image, ...image.blobs, arm, ...arm.blobs], 'all');
  await copy(`oci:${join(folder, 'index')}:all`, remote('skopeo/index:all'), '--all', '--preserve-digests');
  await copy(remote('skopeo/index:all'), `oci:${join(folder, 'index-pulled')}:all`, '--all', '--preserve-digests');
  expect(readLayout(join(folder, 'index-pulled'))).toEqual(readLayout(join(folder, 'index')));
});

test('a copy between two repositories keeps the digest', async () => {
  await copy(source, remote('skopeo/original:v1'), '--preserve-digests');
  await copy(remote('skopeo/original:v1'), remote('skopeo/copied/deeper:v1'), '--preserve-digests');
  const copied = await run([
    ...skopeo,
    'inspect',
    '--tls-verify=false',
    '--format={{.Digest}}',
    remote('skopeo/copied/deeper:v1'),
  ]);
  expect(copied.trim()).toBe(image.descriptor.digest);
});

test('an image converted to the Docker format is served with the media type it was pushed with', async () => {
  await copy(source, remote('skopeo/docker:v2s2'), '--format=v2s2');
  const accept = 'application/vnd.docker.distribution.manifest.v2+json';
  const served = await expectStatus(200, `${server.url}/v2/skopeo/docker/manifests/v2s2`, { headers: { accept } });
  expect(served.headers.get('content-type')).toBe(accept);
  await copy(remote('skopeo/docker:v2s2'), `oci:${join(folder, 'converted')}:v1`);
  const layers = image.blobs.slice(1).map((layer) => layer.descriptor.digest);
  expect([...readLayout(join(folder, 'converted')).keys()]).toEqual(expect.arrayContaining(layers));
});

test('list-tags lists every tag, and delete removes the manifest with all its tags', async () => {
  for (const tag of ['v1', 'v2']) await copy(source, remote(`skopeo/deleted:${tag}`), '--preserve-digests');
  const listed = await run([...skopeo, 'list-tags', '--tls-verify=false', remote('skopeo/deleted')]);
  expect(JSON.parse(listed)).toMatchObject({ Tags: ['v1', 'v2'] });

  await run([...skopeo, 'delete', '--tls-verify=false', remote('skopeo/deleted:v1')]);
  const gone = await attempt([...skopeo, 'inspect', '--tls-verify=false', remote('skopeo/deleted:v2')]);
  expect(gone.code).not.toBe(0);
  expect(gone.stderr).toContain('manifest unknown');
  const headers = { accept: mediaTypes.manifest };
  await expectStatus(404, `${server.url}/v2/skopeo/deleted/manifests/${image.descriptor.digest}`, { headers });
});
