// A node's own copies of blobs that are stored in a bucket: real nodes, MinIO and Redis.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { type Cluster, startCluster, stopClusters } from '../support/cluster.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { plainClient } from '../support/minio.ts';
import { parseByteRanges } from '../support/multipart.ts';
import { type Content, digestOf, expectStatus, pushBlob, randomBlob } from '../support/oci.ts';
import { removeFolder, type Server, startServer, temporaryFolder } from '../support/server.ts';

const SIZE = 3_000_000;
const REPOSITORY = 'team/app';
/** Enough for three blobs. */
const LIMIT = String(3 * SIZE + 1);

const cachePath = join(temporaryFolder('blob-cache'), 'deep', 'cache');
let cluster: Cluster;
let node: Server;

beforeAll(async () => {
  cluster = await startCluster({
    ...{ nodes: 1, workers: 0, balancer: false },
    env: { BLOB_CACHE_PATH: cachePath, BLOB_CACHE_SIZE: LIMIT },
  });
  const [first] = cluster.nodes;
  if (first === undefined) throw new Error('there is no node');
  node = first;
}, TOOLS_WITHIN_MS);
afterAll(stopClusters);

const urlOf = ({ descriptor }: Content, at = node): string => `${at.url}/v2/${REPOSITORY}/blobs/${descriptor.digest}`;

async function pushed(): Promise<Content> {
  const blob = randomBlob(SIZE);
  await pushBlob(node.url, REPOSITORY, blob);
  return blob;
}

/** Pulls it, and compares the bytes. */
async function pull(blob: Content, at = node): Promise<void> {
  const { bytes } = await expectStatus(200, urlOf(blob, at));
  expect(digestOf(bytes)).toBe(blob.descriptor.digest);
}

interface Counts {
  readonly hit: number;
  readonly miss: number;
  readonly kept: number;
  readonly failed: number;
  readonly evictions: number;
  readonly bytes: number;
  /** Requests to the store. */
  readonly requests: number;
}

async function counts(at = node): Promise<Counts> {
  const text = new TextDecoder().decode((await expectStatus(200, `${at.url}/metrics`)).bytes);
  const read = (name: string): number => Number(new RegExp(`^marina_blob_cache_${name} (\\d+)$`, 'm').exec(text)?.[1]);
  const asked = [...text.matchAll(/^marina_storage_requests_total{operation="(?:Get|Head)Object"[^}]*} (\d+)$/gm)];
  return {
    hit: read('requests_total{outcome="hit"}'),
    miss: read('requests_total{outcome="miss"}'),
    kept: read('fills_total{outcome="kept"}'),
    failed: read('fills_total{outcome="failed"}'),
    evictions: read('evictions_total'),
    bytes: read('bytes'),
    requests: asked.reduce((sum, [, count]) => sum + Number(count), 0),
  };
}

/** Pulls it twice, and waits until the node has its copy. */
async function fill(blob: Content, at = node): Promise<void> {
  const before = await counts(at);
  await pull(blob, at);
  await pull(blob, at);
  await eventually(async () => expect((await counts(at)).kept).toBe(before.kept + 1));
}

test('the third pull is served from the cache, whole or in part, without a request to the store', async () => {
  const blob = await pushed();
  expect(await counts()).toMatchObject({ hit: 0, miss: 0, kept: 0, bytes: 0 });
  await fill(blob);
  expect(await counts()).toMatchObject({ hit: 0, miss: 2, kept: 1, bytes: SIZE });
  const before = await counts();
  await pull(blob);
  for (const [range, start, end] of [
    ['bytes=0-0', 0, 1],
    ['bytes=1000000-2000000', 1_000_000, 2_000_001],
    ['bytes=-5', SIZE - 5, SIZE],
  ] as const) {
    const { headers, bytes } = await expectStatus(206, urlOf(blob), { headers: { Range: range } });
    expect(headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/${SIZE}`);
    expect(digestOf(bytes)).toBe(digestOf(blob.bytes.subarray(start, end)));
  }
  await expectStatus(416, urlOf(blob), { headers: { Range: `bytes=${SIZE}-` } });
  const several = await expectStatus(206, urlOf(blob), { headers: { Range: 'bytes=-5,0-99' } });
  for (const part of parseByteRanges(several.headers.get('content-type'), several.bytes)) {
    expect(digestOf(part.bytes)).toBe(digestOf(blob.bytes.subarray(part.start, part.end)));
  }
  const after = await counts();
  expect(after).toMatchObject({ hit: 6, miss: 2 });
  // Reading the metrics reads the reports of the last collection and retention from the store.
  expect(after.requests - before.requests).toBeLessThanOrEqual(2);
});

test('a deleted blob is unknown although the node has a cached copy', async () => {
  const blob = await pushed();
  await fill(blob);
  await expectStatus(202, urlOf(blob), { method: 'DELETE' });
  await expectStatus(404, urlOf(blob));
  await expectStatus(404, urlOf(blob), { headers: { Range: 'bytes=0-9' } });
  // A new push links another incarnation.
  await pushBlob(node.url, REPOSITORY, blob);
  await pull(blob);
});

test('bytes that are corrupt in the store are never cached', async () => {
  const blob = await pushed();
  const data = join(cluster.objects.folder, 'data', 'marina', 'data');
  const inc = readdirSync(data, { recursive: true, encoding: 'utf8' })
    .flatMap((path) => /\/([0-9A-Z]{26})$/.exec(path)?.[1] ?? [])
    .sort()
    .at(-1);
  const wrong = randomBlob(SIZE);
  const client = plainClient(cluster.objects.endpoint);
  const Key = `data/${inc?.slice(-2)}/${inc}`;
  await client.send(new PutObjectCommand({ Bucket: 'marina', Key, Body: wrong.bytes }));
  client.destroy();
  const before = await counts();
  for (let n = 0; n < 2; n++) {
    const { bytes } = await expectStatus(200, urlOf(blob));
    expect(digestOf(bytes)).toBe(wrong.descriptor.digest);
  }
  await eventually(async () => expect((await counts()).failed).toBe(before.failed + 1));
  await expectStatus(200, urlOf(blob));
  expect(await counts()).toMatchObject({ hit: before.hit, kept: before.kept });
  // Log lines are written a little later.
  await eventually(async () => expect(node.logs()).toContain('a stored blob is damaged'));
});

test('the cache folder may be removed under a running node', async () => {
  const blob = await pushed();
  await fill(blob);
  rmSync(cachePath, { recursive: true });
  await pull(blob);
  await fill(blob);
  const before = await counts();
  await pull(blob);
  expect((await counts()).hit).toBe(before.hit + 1);
});

test('a restarted node keeps its cached blobs, and evicts them for new ones', async () => {
  removeFolder(cachePath);
  expect(await node.stop()).toBe(0);
  node = await cluster.restart(0);
  const blobs = [await pushed(), await pushed(), await pushed()];
  for (const blob of blobs) await fill(blob);
  await node.kill();
  node = await cluster.restart(0);
  expect(await counts()).toMatchObject({ hit: 0, bytes: 3 * SIZE });
  const [, second, third] = blobs;
  if (second === undefined || third === undefined) throw new Error('there must be three blobs');
  await pull(second);
  await pull(third);
  // The first one was not used since the start.
  await fill(await pushed());
  await eventually(async () =>
    expect(await counts()).toMatchObject({ hit: 2, kept: 1, evictions: 1, bytes: 3 * SIZE }),
  );
  for (const blob of blobs) await pull(blob);
  expect(await counts()).toMatchObject({ hit: 4 });
  await eventually(() => expect(readdirSync(join(cachePath, 'blobs'))).toHaveLength(3));
});

test('a node that cannot use its cache folder logs it and serves without a cache', async () => {
  const blob = await pushed();
  const unused = join(temporaryFolder('unused'), 'cache');
  for (const [settings, warning] of [
    [{ BLOB_CACHE_PATH: cachePath }, `${cachePath} is in use by another Marina`],
    [{ BLOB_CACHE_PATH: '/proc/self/cache' }, '/proc/self/cache cannot be used (ENOENT)'],
    [{ BLOB_CACHE_SIZE: '0', BLOB_CACHE_PATH: unused }, undefined],
  ] as const) {
    const other = await startServer({ ...cluster.env, ...settings, NODE_NAME: 'other' });
    for (let n = 0; n < 4; n++) await pull(blob, other);
    await eventually(() => {
      const warnings = other
        .logs()
        .split('\n')
        .filter((line) => line.includes('blobs are not cached'));
      expect(warnings).toEqual(warning === undefined ? [] : [expect.stringContaining(warning)]);
    });
    const { bytes } = await expectStatus(200, `${other.url}/metrics`);
    expect(new TextDecoder().decode(bytes)).not.toContain('marina_blob_cache');
    expect(await other.stop()).toBe(0);
  }
  expect(existsSync(unused)).toBe(false);
});
