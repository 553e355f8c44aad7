// Blobs that the kernel sends from their file (from 1 MiB on), seen by clients that read, stop, leave or want only a part.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { IDLE_SECONDS } from '../src/http/bun-server.ts';
import { RawClient } from './durability/raw-client.ts';
import { eventually } from './support/eventually.ts';
import { type Content, digestOf, expectStatus, pushBlob, randomBlob } from './support/oci.ts';
import { cleanUp, type Server, startServer } from './support/server.ts';

const REPOSITORY = 'team/big';
const MIB = 1024 * 1024;

const [big, small, huge] = [randomBlob(8 * MIB), randomBlob(MIB / 2), randomBlob(64 * MIB)];
let server: Server;

beforeAll(async () => {
  server = await startServer();
  for (const blob of [big, small, huge]) await pushBlob(server.url, REPOSITORY, blob);
});
afterAll(cleanUp);

function targetOf(blob: Content): string {
  return `/v2/${REPOSITORY}/blobs/${blob.descriptor.digest}`;
}

test('a big blob has the same headers as a small one, its length included', async () => {
  const [one, other] = [
    await expectStatus(200, server.url + targetOf(big)),
    await expectStatus(200, server.url + targetOf(small)),
  ];
  expect(digestOf(one.bytes)).toBe(big.descriptor.digest);
  expect(digestOf(other.bytes)).toBe(small.descriptor.digest);
  expect(one.headers.get('content-length')).toBe(String(big.bytes.length));
  expect([...one.headers.keys()].sort()).toEqual([...other.headers.keys()].sort());
});

test('a range of a big blob is served', async () => {
  for (const [first, last] of [
    [5, 8 * MIB + 4],
    [1000, 1999],
    [huge.bytes.length - 9 * MIB, huge.bytes.length - 1],
  ] as const) {
    const part = await expectStatus(206, server.url + targetOf(huge), { headers: { range: `bytes=${first}-${last}` } });
    expect(part.headers.get('content-range')).toBe(`bytes ${first}-${last}/${huge.bytes.length}`);
    expect(part.headers.get('content-length')).toBe(String(last + 1 - first));
    expect(digestOf(part.bytes)).toBe(digestOf(huge.bytes.subarray(first, last + 1)));
  }
});

test('one connection serves big blobs, ranges and small requests one after another', async () => {
  const client = await RawClient.open(server.port);
  for (const [method, blob, headers, status] of [
    ['GET', huge, {}, 200],
    ['GET', huge, { Range: `bytes=1-${8 * MIB}` }, 206],
    ['GET', small, {}, 200],
    ['GET', big, {}, 200],
    ['GET', huge, {}, 200],
  ] as const) {
    client.request(method, targetOf(blob), headers);
    const answer = await client.answer();
    expect(answer?.status).toBe(status);
    const whole = status === 200 ? blob.bytes : blob.bytes.subarray(1, 1 + 8 * MIB);
    expect(digestOf(answer?.body ?? new Uint8Array())).toBe(digestOf(whole));
  }
  client.close();
});

test('an HTTP/1.0 client gets the whole blob, and the end of the connection', async () => {
  let received = 0;
  let head = '';
  const ended = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: '127.0.0.1',
    port: server.port,
    socket: {
      data: (_, bytes) => {
        if (head === '') head = bytes.toString('latin1').split('\r\n\r\n')[0] ?? '';
        received += bytes.length;
      },
      close: () => ended.resolve(),
    },
  });
  socket.write(`GET ${targetOf(huge)} HTTP/1.0\r\nHost: registry\r\n\r\n`);
  await ended.promise;
  expect(head).toContain('200 OK');
  expect(received).toBe(head.length + 4 + huge.bytes.length);
});

test('a client that reads nothing for longer than the idle timeout still gets the whole blob', async () => {
  const client = await RawClient.open(server.port);
  client.request('GET', targetOf(huge));
  await eventually(() => expect(client.waiting).toBeGreaterThan(0));
  client.pause();
  await Bun.sleep((IDLE_SECONDS + 10) * 1000);
  client.resume();
  expect(digestOf((await client.answer())?.body ?? new Uint8Array())).toBe(huge.descriptor.digest);
  client.close();
});

test('no file stays open after clients that disconnect half-way', async () => {
  const before = openFiles();
  for (let n = 0; n < 20; n++) {
    const client = await RawClient.open(server.port);
    client.request('GET', targetOf(huge));
    await eventually(() => expect(client.waiting).toBeGreaterThan(0));
    client.pause();
    client.close();
  }
  await eventually(() => expect(openFiles()).toBeLessThanOrEqual(before));
});

function openFiles(): number {
  return readdirSync(`/proc/${server.process.pid}/fd`).length;
}
