import { afterAll, beforeAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { attempt, run, runBytes, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { index } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { forPlatform, readLayout, runnableImage, writeLayout } from './layout.ts';

const folder = temporaryFolder('crane');
const image = await runnableImage();
const arm = await runnableImage('arm64');
const both = index([forPlatform(image, 'amd64'), forPlatform(arm, 'arm64')]);
let crane: string;
let server: Server;

beforeAll(async () => {
  [crane] = await tools('crane');
  server = await startServer();
  writeLayout(join(folder, 'image'), image, image.blobs, 'v1');
  writeLayout(join(folder, 'index'), both, [image, ...image.blobs, arm, ...arm.blobs], 'v1');
  await command('push', join(folder, 'image'), at('image:v1'));
}, TOOLS_WITHIN_MS);
afterAll(cleanUp);

function at(reference: string): string {
  return `${server.host}/crane/${reference}`;
}

function command(...rest: string[]): Promise<string> {
  return run([crane, '--insecure', ...rest]);
}

test('an image pushed and pulled again is the same, byte for byte', async () => {
  expect(await command('digest', at('image:v1'))).toBe(`${image.descriptor.digest}\n`);
  expect(await runBytes([crane, '--insecure', 'manifest', at('image:v1')])).toEqual(image.bytes);
  await command('pull', '--format=oci', at('image:v1'), join(folder, 'image-pulled'));
  expect(readLayout(join(folder, 'image-pulled'))).toEqual(readLayout(join(folder, 'image')));
  await command('validate', '--remote', at('image:v1'));
});

test('an index is pushed and pulled whole, and each platform on its own', async () => {
  await command('push', join(folder, 'index'), at('index:v1'));
  await command('pull', '--format=oci', at('index:v1'), join(folder, 'index-pulled'));
  const pulled = readLayout(join(folder, 'index-pulled'));
  for (const [digest, bytes] of readLayout(join(folder, 'index'))) expect(pulled.get(digest)).toEqual(bytes);
  expect(await command('digest', '--platform=linux/arm64', at('index:v1'))).toContain(arm.descriptor.digest);
});

test('a single layer is pulled by digest', async () => {
  const [, , layer] = image.blobs;
  if (layer === undefined) throw new Error('the image has no second layer');
  expect(await runBytes([crane, '--insecure', 'blob', at(`image@${layer.descriptor.digest}`)])).toEqual(layer.bytes);
});

test('copies and tags are listed, and the catalog lists the repositories', async () => {
  await command('copy', at('image:v1'), at('copied/image:v1'));
  await command('tag', at('copied/image:v1'), 'latest');
  expect(await command('ls', at('copied/image'))).toBe('latest\nv1\n');
  expect(await command('digest', at('copied/image:latest'))).toBe(`${image.descriptor.digest}\n`);
  const catalog = (await command('catalog', server.host)).trim().split('\n');
  expect(catalog).toEqual(expect.arrayContaining(['crane/copied/image', 'crane/image']));
});

test('an image that crane mutates in the registry is valid', async () => {
  await command('mutate', at('image:v1'), '--label=changed=yes', `--tag=${at('image:mutated')}`);
  await command('validate', '--remote', at('image:mutated'));
  expect(JSON.parse(await command('config', at('image:mutated')))).toMatchObject({
    config: { Labels: { changed: 'yes' } },
  });
});

test('deleting a tag keeps the other tags; deleting a digest removes them all', async () => {
  await command('copy', at('image:v1'), at('deleted:v1'));
  for (const tag of ['v2', 'v3']) await command('tag', at('deleted:v1'), tag);
  await command('delete', at('deleted:v2'));
  expect(await command('ls', at('deleted'))).toBe('v1\nv3\n');
  await command('delete', at(`deleted@${image.descriptor.digest}`));
  expect(await command('ls', at('deleted'))).toBe('');
  const gone = await attempt([crane, '--insecure', 'manifest', at('deleted:v1')]);
  expect(gone.code).not.toBe(0);
  expect(gone.stderr).toContain('MANIFEST_UNKNOWN');
});
