// Blobs that a node streams from a bucket: not kept in memory, and never truncated unnoticed.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Cluster, startCluster, stopClusters } from '../support/cluster.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { parseByteRanges } from '../support/multipart.ts';
import { digestOf, expectStatus, pushBlob, randomBlob } from '../support/oci.ts';

const large = randomBlob(60_000_000);
let cluster: Cluster;
let url: string;

beforeAll(async () => {
  // Without the node's own copies, which would not come from the bucket.
  cluster = await startCluster({ nodes: 1, workers: 0, env: { BLOB_CACHE_SIZE: '0' } });
  await pushBlob(cluster.url, 'team/app', large);
  url = `${cluster.url}/v2/team/app/blobs/${large.descriptor.digest}`;
}, TOOLS_WITHIN_MS);
afterAll(stopClusters);

test('a large blob is streamed whole through the balancer, and HEAD gives its length', async () => {
  const { headers, bytes } = await expectStatus(200, url);
  expect(digestOf(bytes)).toBe(large.descriptor.digest);
  expect(headers.get('docker-content-digest')).toBe(large.descriptor.digest);
  const head = await expectStatus(200, url, { method: 'HEAD' });
  expect(head.headers.get('content-length')).toBe(String(large.bytes.length));
});

test.each([
  ['bytes=0-0', 0, 1],
  ['bytes=1000000-40000000', 1_000_000, 40_000_001],
  ['bytes=-5', 59_999_995, 60_000_000],
])('Range %s is 206 with those bytes', async (range, start, end) => {
  const { headers, bytes } = await expectStatus(206, url, { headers: { Range: range } });
  expect(headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/${large.bytes.length}`);
  expect(digestOf(bytes)).toBe(digestOf(large.bytes.subarray(start, end)));
});

test('several ranges are answered as multipart/byteranges, in the requested order', async () => {
  const { headers, bytes } = await expectStatus(206, url, { headers: { Range: 'bytes=-5,0-99,20000000-29999999' } });
  const parts = parseByteRanges(headers.get('content-type'), bytes);
  expect(parts.map(({ start, end }) => [start, end])).toEqual([
    [59_999_995, 60_000_000],
    [0, 100],
    [20_000_000, 30_000_000],
  ]);
  for (const part of parts) expect(digestOf(part.bytes)).toBe(digestOf(large.bytes.subarray(part.start, part.end)));
});

test('a slow reader gets the same bytes', async () => {
  const reader = (await fetch(url)).body?.getReader();
  if (reader === undefined) throw new Error('a blob without a body');
  const hash = new Bun.CryptoHasher('sha256');
  for (let n = 0; ; n++) {
    const { done, value } = await reader.read();
    if (done) break;
    hash.update(value);
    // Sometimes longer: bytes that arrive meanwhile must wait unchanged.
    await Bun.sleep(n % 20 === 0 ? 50 : 2);
  }
  expect(`sha256:${hash.digest('hex')}`).toBe(large.descriptor.digest);
});

test('many concurrent readers each get all bytes', async () => {
  const pulls = Array.from({ length: 8 }, async () => digestOf((await expectStatus(200, url)).bytes));
  expect(new Set(await Promise.all(pulls))).toEqual(new Set([large.descriptor.digest]));
});

test('clients that stop reading or disconnect leave nothing behind', async () => {
  const [node] = cluster.nodes;
  const readers = await Promise.all(
    Array.from({ length: 40 }, async () => {
      const response = await fetch(url);
      const reader = response.body?.getReader();
      if (reader === undefined) throw new Error('a blob without a body');
      await reader.read();
      return reader;
    }),
  );
  // They hold connections to the store; requests of others are still served.
  const { bytes } = await expectStatus(206, url, { headers: { Range: 'bytes=0-99999' } });
  expect(bytes.length).toBe(100_000);
  await pushBlob(cluster.url, 'team/app', randomBlob(100_000));
  await Promise.all(readers.map((reader) => reader.cancel()));
  await eventually(async () => {
    const text = await (await fetch(`${node?.url}/metrics`)).text();
    const resident = Number(/^process_resident_memory_bytes (\S+)/m.exec(text)?.[1]);
    expect(resident).toBeLessThan(500_000_000);
  });
});

test('a store failure in the middle breaks the connection, so that a truncated blob never looks complete', async () => {
  const response = await fetch(url);
  const reader = response.body?.getReader();
  if (reader === undefined) throw new Error('a blob without a body');
  await reader.read();
  cluster.objects.process.kill('SIGKILL');
  await cluster.objects.process.exited;
  const readOn = async (): Promise<void> => {
    while (!(await reader.read()).done);
  };
  // The node tries to resume for a while, in case the store comes back.
  await expect(readOn()).rejects.toThrow();
  await eventually(async () => expect((await fetch(`${cluster.url}/healthz`)).status).toBe(200));
});
