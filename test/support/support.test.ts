// The helpers that all other suites use, with the real server: start, stop, kill, and pushes with fetch.
import { afterAll, expect, test } from 'bun:test';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.ts';
import {
  emptyConfig,
  expectStatus,
  image,
  index,
  mediaTypes,
  pushBlob,
  pushImage,
  pushManifest,
  randomBlob,
} from './oci.ts';
import { cleanUp, removeFolder, startServer, temporaryFolder } from './server.ts';

afterAll(cleanUp);

test('content pushed before SIGKILL is served after a restart on the same folder', async () => {
  const settings = { STORAGE_PATH: temporaryFolder('restart') };
  const pushed = image();
  const first = await startServer(settings);
  await pushImage(first.url, 'support/restart', pushed, 'v1');
  await first.kill();

  const second = await startServer(settings);
  const served = await expectStatus(200, `${second.url}/v2/support/restart/manifests/v1`);
  expect(served.bytes).toEqual(pushed.bytes);
  for (const blob of pushed.blobs) {
    const { bytes } = await expectStatus(200, `${second.url}/v2/support/restart/blobs/${blob.descriptor.digest}`);
    expect(bytes).toEqual(blob.bytes);
  }
  expect(await second.stop()).toBe(0);
  expect(second.logs()).not.toBeEmpty();
});

test('indexes, artifacts with a subject and sha512 content are pushed', async () => {
  const server = await startServer();
  const repository = 'support/kinds';
  const first = image({ algorithm: 'sha512' });
  const second = image({ layers: [randomBlob(10, 'sha512')] });
  for (const part of [first, second]) await pushImage(server.url, repository, part);
  const both = index([first, second]);
  await pushManifest(server.url, repository, both, 'both');

  const artifact = image({ config: emptyConfig, artifactType: 'application/vnd.example', subject: both.descriptor });
  await pushImage(server.url, repository, artifact);
  const referrers = await expectStatus(200, `${server.url}/v2/${repository}/referrers/${both.descriptor.digest}`);
  expect(referrers.headers.get('content-type')).toBe(mediaTypes.index);
  expect(new TextDecoder().decode(referrers.bytes)).toContain(artifact.descriptor.digest);
});

test('an unexpected status is an error that quotes the response', async () => {
  const server = await startServer();
  const wrong = { ...randomBlob(10), descriptor: randomBlob(10).descriptor };
  await expect(pushBlob(server.url, 'support/wrong', wrong)).rejects.toThrow('DIGEST_INVALID');
});

test('a server that cannot start is an error that includes its log', async () => {
  await expect(startServer({ STORAGE_DRIVER: 'nonsense' })).rejects.toThrow(/ended before it was ready.*nonsense/s);
});

test('a folder that is busy for a moment is still removed', async () => {
  const folder = temporaryFolder('busy');
  const mounted = join(folder, 'mounted');
  mkdirSync(mounted);
  await run(['mount', '-t', 'tmpfs', 'marina-test', mounted]);
  const unmounting = Bun.spawn(['sh', '-c', 'sleep 0.3; umount "$0"', mounted]);
  removeFolder(folder);
  expect(existsSync(folder)).toBe(false);
  expect(await unmounting.exited).toBe(0);
});
