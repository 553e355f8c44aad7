// Imports of trees that distribution v3 wrote, from a bucket and into one: copied by the store if possible.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { ImportReport } from '../../src/importing/report.ts';
import { digestOf } from '../../src/oci/digest.ts';
import type { Digest } from '../../src/oci/names.ts';
import { ForeignBucket } from '../../src/storage/s3/foreign-bucket.ts';
import { openS3Store, readSettings } from '../../src/storage/s3/open.ts';
import { linesOf, marinaCommand } from '../cli/marina.ts';
import { type Cluster, startCluster, stopClusters } from '../support/cluster.ts';
import { attempt, TOOLS_WITHIN_MS } from '../support/command.ts';
import { inBucket, inFolder, startDistribution, stopDistributions } from '../support/distribution.ts';
import { configurationOf, plainClient, realPorts } from '../support/minio.ts';
import { expectStatus } from '../support/oci.ts';
import { cleanUp, startServer, temporaryFolder } from '../support/server.ts';
import { checkEverything, type Pushed, pushEverything } from './tree.ts';

/** Larger than a small object, and smaller than a part. */
const BIG_LAYER = 1_500_000;
const OLD = 'old';
const SOURCE = `s3://${OLD}/some/where`;

let cluster: Cluster;
let pushed: Pushed;

beforeAll(async () => {
  cluster = await startCluster({ nodes: 1, workers: 0, balancer: false });
  await cluster.objects.makeBucket(OLD);
  const distribution = await startDistribution(inBucket(cluster.objects, OLD, 'some/where'));
  pushed = await pushEverything(distribution.url, BIG_LAYER);
  await distribution.stop();
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await stopDistributions();
  await cleanUp();
  await stopClusters();
});

async function run(env: Readonly<Record<string, string>>, ...args: readonly string[]) {
  const { code, stdout, stderr } = await attempt([...marinaCommand, ...args, '--json'], { env });
  const lines = linesOf(new TextDecoder().decode(stdout));
  const summary: ImportReport = JSON.parse(lines.at(-1) ?? '{}');
  return { code, stderr, problems: lines.length - 1, summary };
}

/** Settings for a store that is a whole new bucket. */
async function bucketStore(bucket: string): Promise<Record<string, string>> {
  await cluster.objects.makeBucket(bucket);
  const { REDIS_URL: _, TRUST_PROXY: __, ...env } = cluster.env;
  return { ...env, S3_BUCKET: bucket };
}

test('into a running cluster, whose nodes see it at once, and again', async () => {
  const { code, stderr, summary } = await run({ ...cluster.env }, 'import', SOURCE);
  expect([code, stderr]).toEqual([0, '']);
  expect(summary).toMatchObject({
    ...{ repositories: 3, tags: { set: 7 }, manifests: { put: 8 }, problems: 0 },
    blobs: { linked: { count: 0 }, copied: { bytes: pushed.blobBytes }, sent: { count: 0 } },
  });
  await checkEverything(cluster.url, pushed);
  const again = await run({ ...cluster.env }, 'import', SOURCE);
  expect(again).toMatchObject({
    ...{ code: 0, summary: { tags: { set: 0, present: 7 }, manifests: { put: 0, present: 8 } } },
  });
  expect((await run({ ...cluster.env }, 'fsck', '--scrub')).summary).toMatchObject({
    faults: 0,
    orphans: { count: 0 },
  });
});

test('from a whole bucket, copied inside the store, with and without verifying the bytes', async () => {
  const env = await bucketStore('whole');
  expect(await run(env, 'import', '--dry-run', SOURCE)).toMatchObject({ code: 0, summary: { manifests: { put: 8 } } });
  const { code, summary } = await run(env, 'import', '--trust', `${SOURCE}/docker/registry/v2/`);
  expect([code, summary.blobs.copied.bytes]).toEqual([0, pushed.blobBytes]);
  expect((await run(env, 'fsck', '--scrub')).summary).toMatchObject({ faults: 0 });
  const server = await startServer(env);
  await checkEverything(server.url, pushed);
});

test('from a bucket into a folder and from a folder into a bucket, by reading and writing the bytes', async () => {
  const { STORAGE_DRIVER: _, ...access } = await bucketStore('from-folder');
  const dataPath = join(temporaryFolder('from-bucket'), 'data');
  const toFolder = { ...access, STORAGE_PATH: dataPath };
  const down = await run(toFolder, 'import', SOURCE);
  expect([down.code, down.summary.blobs.sent.bytes]).toEqual([0, pushed.blobBytes]);
  expect((await run(toFolder, 'fsck', '--scrub')).summary).toMatchObject({ faults: 0, orphans: { count: 0 } });
  const server = await startServer(toFolder);
  await checkEverything(server.url, pushed);

  const tree = temporaryFolder('tree');
  const distribution = await startDistribution(inFolder(tree));
  const other = await pushEverything(distribution.url, BIG_LAYER);
  await distribution.stop();
  const toBucket = { ...access, STORAGE_DRIVER: 's3' };
  const up = await run(toBucket, 'import', tree);
  expect([up.code, up.summary.blobs.sent.bytes]).toEqual([0, other.blobBytes]);
  await checkEverything((await startServer(toBucket)).url, other);
});

test('an image is exported from the running cluster, and loaded into it and into a bucket', async () => {
  const file = join(temporaryFolder('exported'), 'app.tar');
  const exported = await run({ ...cluster.env }, 'export', 'team/app:v1', '-o', file);
  expect([exported.code, exported.stderr]).toEqual([0, '']);
  const { digest } = pushed.subject.descriptor;
  const alone = await bucketStore('loaded');
  for (const env of [{ ...cluster.env }, alone]) {
    const { code, stderr, problems } = await run(env, 'load', file, 'loaded/app');
    expect([code, stderr, problems]).toEqual([0, '', 0]);
    expect((await run(env, 'fsck', '--scrub')).summary).toMatchObject({ faults: 0 });
  }
  for (const url of [cluster.url, (await startServer(alone)).url]) {
    const { headers } = await expectStatus(200, `${url}/v2/loaded/app/manifests/v1`, { method: 'HEAD' });
    expect(headers.get('docker-content-digest')).toBe(digest);
    const { bytes } = await expectStatus(200, `${url}/v2/loaded/app/referrers/${digest}`);
    expect(new TextDecoder().decode(bytes)).toContain(pushed.referrer.descriptor.digest);
  }
});

test('an object too large for one CopyObject request is copied in parts', async () => {
  const { endpoint, makeBucket } = cluster.objects;
  await makeBucket('parts');
  const configuration = configurationOf(endpoint, 'parts');
  const key = 'docker/a+b c/data';
  const bytes = new Uint8Array(randomBytes(11 * 1024 ** 2 + 17));
  const client = plainClient(endpoint);
  await client.send(new PutObjectCommand({ Bucket: OLD, Key: key, Body: bytes }));
  client.destroy();
  const { driver, close } = await openS3Store(configuration, realPorts());
  const settings = readSettings({ ...configuration, s3Bucket: OLD, s3Prefix: undefined });
  const target = { bucket: 'parts', prefix: configuration.s3Prefix };
  const source = new ForeignBucket(settings, target, realPorts(), 5 * 1024 ** 2);
  try {
    const { signal } = new AbortController();
    const as = (digest: Digest) => ({ digest, onBytes: () => undefined, signal });
    expect(await source.give(key, 'data/xx/copy', bytes.length, as(digestOf('sha512', bytes)))).toBe('copied');
    const copy = await driver.read('data/xx/copy');
    expect(Buffer.compare(copy ?? new Uint8Array(), bytes)).toBe(0);
    const other = as(digestOf('sha256', new Uint8Array()));
    expect(await source.give(key, 'data/xx/other', bytes.length, other)).toBeUndefined();
    expect(await driver.head('data/xx/other')).toBeUndefined();
    expect(await source.give('docker/never', 'data/xx/never', bytes.length, other)).toBeUndefined();
    await expect(source.give('docker/never', 'data/xx/never', bytes.length, undefined)).rejects.toThrow();
  } finally {
    await source.close();
    await close();
  }
});
