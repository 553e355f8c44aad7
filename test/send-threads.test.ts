// Sending threads send big blobs, over the connections of the requests.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { RawClient } from './durability/raw-client.ts';
import { eventually } from './support/eventually.ts';
import { type Content, digestOf, expectStatus, pushBlob, randomBlob } from './support/oci.ts';
import { cleanUp, type Server, startServer } from './support/server.ts';

const REPOSITORY = 'threads/sending';
/** The minimum size that a thread sends. */
const BIG = 8 * 1024 * 1024;

const [big, small, huge] = [randomBlob(BIG), randomBlob(BIG - 1), randomBlob(64 * 1024 * 1024)];
let server: Server;

beforeAll(async () => {
  server = await startServer();
  for (const blob of [big, small, huge]) await pushBlob(server.url, REPOSITORY, blob);
});
afterAll(cleanUp);

function address(blob: Content, { url } = server): string {
  return `${url}/v2/${REPOSITORY}/blobs/${blob.descriptor.digest}`;
}

const isClosed = (headers: Headers): boolean => headers.get('connection') === 'close';

test('a large blob has the same headers as a small one, the right bytes, and closes its connection', async () => {
  const [one, other] = [await expectStatus(200, address(big)), await expectStatus(200, address(small))];
  expect([isClosed(one.headers), isClosed(other.headers)]).toEqual([true, false]);
  expect([one.bytes.length, digestOf(one.bytes)]).toEqual([BIG, big.descriptor.digest]);
  expect(digestOf(other.bytes)).toBe(small.descriptor.digest);
  expect(one.headers.get('content-length')).toBe(String(BIG));
  const names = (headers: Headers): string[] =>
    [...headers.keys()].filter((name) => !['connection', 'content-disposition'].includes(name)).sort();
  expect(names(one.headers)).toEqual(names(other.headers));
});

test('a range of a large blob is served, by a sending thread if the range is large', async () => {
  for (const [first, last, closes] of [
    [5, BIG + 4, true],
    [1000, 1999, false],
    [huge.bytes.length - BIG, huge.bytes.length - 1, true],
  ] as const) {
    const headers = { range: `bytes=${first}-${last}` };
    const part = await expectStatus(206, address(huge), { headers });
    expect(part.headers.get('content-range')).toBe(`bytes ${first}-${last}/${huge.bytes.length}`);
    expect(isClosed(part.headers)).toBe(closes);
    expect(digestOf(part.bytes)).toBe(digestOf(huge.bytes.subarray(first, last + 1)));
  }
});

test('an HTTP/1.0 client and one that half-closes after its request get the whole blob', async () => {
  const { port } = server;
  for (const version of ['1.0', '1.1']) {
    let received = 0;
    let head = '';
    const ended = Promise.withResolvers<void>();
    const socket = await Bun.connect({
      hostname: '127.0.0.1',
      port,
      allowHalfOpen: true,
      socket: {
        data: (_, bytes) => {
          if (head === '') head = bytes.toString('latin1').split('\r\n\r\n')[0] ?? '';
          received += bytes.length;
        },
        end: () => ended.resolve(),
        close: () => ended.resolve(),
      },
    });
    socket.write(`GET ${new URL(address(huge)).pathname} HTTP/${version}\r\nHost: registry\r\n\r\n`);
    if (version === '1.1') socket.shutdown();
    await ended.promise;
    socket.end();
    expect(head).toContain('200 OK');
    expect(received).toBe(head.length + 4 + huge.bytes.length);
  }
});

test('the access line has the bytes that a disconnected client received, and no file stays open', async () => {
  const before = openFiles();
  const client = await RawClient.open(server.port);
  client.request('GET', new URL(address(huge)).pathname, { 'User-Agent': 'leaves' });
  await eventually(() => expect(client.waiting).toBeGreaterThan(0));
  client.pause();
  client.close();
  await eventually(() => {
    const line = server.logs().trim().split('\n').at(-1) ?? '';
    const { route, bytesOut } = JSON.parse(line);
    expect(route).toBe('blob-get');
    expect(bytesOut).toBeLessThan(huge.bytes.length);
  });
  await eventually(() => expect(openFiles()).toBeLessThanOrEqual(before));
});

function openFiles(): number {
  return readdirSync(`/proc/${server.process.pid}/fd`).length;
}

test('without sending threads the serving thread sends everything', async () => {
  const alone = await startServer({ SEND_THREADS: '0' });
  await pushBlob(alone.url, REPOSITORY, big);
  const { headers, bytes } = await expectStatus(200, address(big, alone));
  expect(isClosed(headers)).toBe(false);
  expect(digestOf(bytes)).toBe(big.descriptor.digest);
});
