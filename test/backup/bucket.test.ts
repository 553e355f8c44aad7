// Backups from and into buckets, and restores from one kind of store into the other.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { join } from 'node:path';
import { linesOf, marinaCommand } from '../cli/marina.ts';
import { attempt, TOOLS_WITHIN_MS } from '../support/command.ts';
import { ACCESS_KEY, type ObjectStore, SECRET_KEY, startMinio, stopObjectStores } from '../support/minio.ts';
import { image, pushImage, randomBlob } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';

setDefaultTimeout(300_000);

const MIB = 1024 * 1024;
const folder = temporaryFolder('backup-bucket');
let objects: ObjectStore;
let settings: Readonly<Record<string, string>>;
let server: Server;

beforeAll(async () => {
  objects = await startMinio();
  await objects.makeBucket('registry');
  await objects.makeBucket('backups');
  settings = {
    ...{ STORAGE_DRIVER: 's3', S3_BUCKET: 'registry', S3_PREFIX: 'live', S3_ENDPOINT: objects.endpoint },
    ...{ S3_FORCE_PATH_STYLE: 'true', S3_PART_SIZE: String(5 * MIB) },
    ...{ AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY },
  };
  server = await startServer(settings);
  // More than two parts.
  await pushImage(server.url, 'team/app', image({ layers: [randomBlob(12 * MIB), randomBlob(1_000)] }), 'v1');
  await pushImage(server.url, 'team/other', image(), 'v1');
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await cleanUp();
  await stopObjectStores();
});

async function marina(...args: readonly string[]) {
  const { code, stdout, stderr } = await attempt([...marinaCommand, ...args], { env: settings });
  const text = new TextDecoder().decode(stdout);
  return { code, stdout: text, stderr, lines: linesOf(text) };
}

async function fsckOf(changes: Readonly<Record<string, string>>): Promise<number> {
  const command = [...marinaCommand, 'fsck', '--scrub'];
  return (await attempt(command, { env: { ...settings, ...changes } })).code;
}

test('a bucket is backed up to a bucket, and restored to a bucket and to a folder', async () => {
  const place = 's3://backups/of/registry';
  expect(await marina('backup', place, '--name', 'first')).toMatchObject({ code: 0, stderr: '' });
  expect(await marina('backup', 'verify', place)).toMatchObject({ code: 0 });
  await pushImage(server.url, 'team/other', image(), 'v2');
  const second = await marina('backup', place, '--name', 'second', '--json');
  expect(JSON.parse(second.stdout)).toMatchObject({ added: { objects: 3 } });
  expect(await marina('backup', 'restore', place, '--to', 's3://registry/restored')).toMatchObject({
    code: 0,
    stderr: '',
  });
  expect(await fsckOf({ S3_PREFIX: 'restored' })).toBe(0);
  const target = join(folder, 'from-bucket');
  expect(await marina('backup', 'restore', place, '--to', target)).toMatchObject({ code: 0, stderr: '' });
  expect(await fsckOf({ STORAGE_DRIVER: 'filesystem', STORAGE_PATH: target })).toBe(0);
  expect((await marina('backup', 'restore', place, '--to', 's3://registry/live')).stderr).toContain('is not empty');
});

test('a bucket is backed up to a folder, and restored to a bucket', async () => {
  const place = join(folder, 'backups');
  expect(await marina('backup', place)).toMatchObject({ code: 0, stderr: '' });
  expect(await marina('backup', 'verify', place, '--json')).toMatchObject({ code: 0 });
  expect(await marina('backup', 'restore', place, '--to', 's3://registry/from-folder')).toMatchObject({
    code: 0,
    stderr: '',
  });
  expect(await fsckOf({ S3_PREFIX: 'from-folder' })).toBe(0);
});

test('a place that overlaps with the store, or that cannot be reached, is refused in one line', async () => {
  for (const [place, reason] of [
    ['s3://registry/live/backups', 'overlaps with'],
    ['s3://registry', 'overlaps with'],
    ['s3://registry/restored', 'is a store of a registry'],
    ['s3://missing/backups', 'does not exist'],
  ] as const) {
    const { code, stdout, stderr } = await marina('backup', place);
    expect([code, stdout, linesOf(stderr)]).toEqual([2, '', [expect.stringContaining(reason)]]);
  }
});
