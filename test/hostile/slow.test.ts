// Slow and stalled clients: each is timed out, and no other client waits for them.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { connect, type Socket } from 'node:net';
import { eventually } from '../support/eventually.ts';
import { expectStatus, mediaTypes, pushBlob, randomBlob } from '../support/oci.ts';
import { cleanUp } from '../support/server.ts';
import { sendRow } from './judge.ts';
import { type Row, refused } from './row.ts';
import { expectUnchanged, openSite, openUpload, type Site, sendWriter, settled } from './site.ts';
import { exchange, HANG_UP, request } from './wire.ts';

/** Longer than any wait on a busy machine: a request that waits for this long waits for a stalled client. */
const IDLE_MS = 3_000;
const STALLED = refused(408, 'BLOB_UPLOAD_INVALID');
const LARGE = randomBlob(8 * 1024 * 1024);

const DIGEST = `sha256:${'ab'.repeat(32)}`;
const MANIFEST_TYPE = { 'Content-Type': mediaTypes.manifest };

/** Bodies that stop in the middle, on connections that stay open. */
const STALLING: readonly Row[] = [
  {
    name: 'a chunk that is never finished',
    pieces: ({ upload }) => request('PATCH', upload, { headers: { 'Content-Length': '10' }, body: 'hal' }),
    expected: STALLED,
    upload: { keeps: 8 },
  },
  {
    name: 'a chunk that never starts',
    pieces: ({ upload }) => request('PATCH', upload, { headers: { 'Content-Length': '10' } }),
    expected: STALLED,
    upload: {},
  },
  {
    name: 'a chunked body without its end',
    pieces: ({ upload }) =>
      request('PATCH', upload, { headers: { 'Transfer-Encoding': 'chunked' }, body: '3\r\nhal\r\n', length: false }),
    expected: STALLED,
    upload: { keeps: 8 },
  },
  {
    name: 'a chunked body that stops in a chunk',
    pieces: ({ upload }) =>
      request('PATCH', upload, { headers: { 'Transfer-Encoding': 'chunked' }, body: '9\r\nhal', length: false }),
    expected: STALLED,
    upload: { keeps: 8 },
  },
  {
    name: 'a chunk that trickles, and then stops',
    pieces: ({ upload }) => [
      ...request('PATCH', upload, { headers: { 'Content-Length': '100' } }),
      ...Array.from({ length: 4 }, () => [IDLE_MS / 3, 'x']).flat(),
    ],
    expected: STALLED,
    upload: { keeps: 9 },
  },
  {
    name: 'a last chunk that is never finished',
    pieces: ({ upload }) =>
      request('PUT', `${upload}?digest=${DIGEST}`, { headers: { 'Content-Length': '10' }, body: 'hal' }),
    expected: STALLED,
    upload: { keeps: 8 },
  },
  {
    name: 'a blob in one request that is never finished',
    pieces: ({ repo }) =>
      request('POST', `/v2/${repo}/blobs/uploads/?digest=${DIGEST}`, {
        headers: { 'Content-Length': '10' },
        body: 'hal',
      }),
    expected: STALLED,
  },
  {
    name: 'a large blob in one request that is never finished',
    pieces: ({ repo }) =>
      request('POST', `/v2/${repo}/blobs/uploads/?digest=${DIGEST}`, {
        headers: { 'Content-Length': '1000000000' },
        body: 'x'.repeat(400_000),
      }),
    expected: STALLED,
  },
  {
    name: 'a manifest that is never finished',
    pieces: ({ repo }) =>
      request('PUT', `/v2/${repo}/manifests/slow`, {
        headers: { ...MANIFEST_TYPE, 'Content-Length': '10' },
        body: '{',
      }),
    expected: STALLED,
  },
  {
    name: 'a manifest that never starts',
    pieces: ({ repo }) =>
      request('PUT', `/v2/${repo}/manifests/slow`, { headers: { ...MANIFEST_TYPE, 'Content-Length': '10' } }),
    expected: STALLED,
  },
];

let site: Site;
const sockets: Socket[] = [];

beforeAll(async () => {
  site = await openSite({ BODY_IDLE_TIMEOUT: `${IDLE_MS}ms`, UPLOAD_MIN_RATE: '0' });
  await pushBlob(site.server.url, site.repo, LARGE);
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await cleanUp();
});

/** A connection that sends the text, reads nothing and stays open. */
function hang(text: string): void {
  const socket = connect({ port: site.server.port, host: '127.0.0.1' });
  // The server closes connections that never finish their headers.
  socket.on('error', () => {});
  socket.pause();
  socket.write(text);
  sockets.push(socket);
}

/** The slowest of many requests, one after another, in milliseconds. */
async function slowest(times: number): Promise<number> {
  let most = 0;
  for (let i = 0; i < times; i++) {
    const begun = performance.now();
    await expectStatus(200, `${site.server.url}/v2/${site.repo}/manifests/${site.tag}`);
    await expectStatus(200, `${site.server.url}/v2/${site.repo}/blobs/${site.blob.descriptor.digest}`);
    most = Math.max(most, performance.now() - begun);
    await Bun.sleep(10);
  }
  return most;
}

test('stalled bodies are refused after the idle timeout, while all other clients are served at once', async () => {
  const before = await settled(site);
  for (let i = 0; i < 50; i++) {
    hang('GET /v2/ HT');
    hang('GET /v2/ HTTP/1.1\r\nHost: a\r\nX-Slow: ');
    hang(`GET /v2/${site.repo}/blobs/${LARGE.descriptor.digest} HTTP/1.1\r\nHost: a\r\n\r\n`);
    hang(`PUT /v2/${site.repo}/manifests/slow HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{`);
  }
  const [most, ...outcomes] = await Promise.all([slowest(100), ...STALLING.map((row) => sendRow(site, row))]);
  for (const outcome of outcomes) {
    if (outcome === 'closed') throw new Error('closed without an answer');
    // The one that trickles takes twice as long before it stops.
    expect(outcome.milliseconds).toBeWithin(IDLE_MS * 0.9, IDLE_MS * 8);
  }
  // A request that waited for one of them would take as long as the idle timeout.
  expect(most).toBeLessThan(IDLE_MS);
  await expectUnchanged(site, before);
});

test('a slow but steady body is accepted however long it takes', async () => {
  const upload = await openUpload(site.server, site.repo);
  const pieces = Array.from({ length: 5 }, () => [IDLE_MS / 3, 'x']).flat();
  const outcome = await exchange(site.server.port, [
    ...request('PATCH', upload, { headers: { 'Content-Length': '5' } }),
    ...pieces,
  ]);
  expect(outcome).toMatchObject({ status: 202 });
  const { headers } = await expectStatus(204, site.server.url + upload);
  expect(headers.get('range')).toBe('0-4');
  await expectStatus(204, site.server.url + upload, { method: 'DELETE' });
});

test('bodies that arrive a byte at a time are refused, and release their resources', async () => {
  const strict = await openSite({ BODY_IDLE_TIMEOUT: `${IDLE_MS}ms`, UPLOAD_MIN_RATE: '1KiB' });
  const before = await settled(strict);
  const drip = (piece: string) => Array.from({ length: 40 }, () => [IDLE_MS / 10, piece]).flat();
  const rows: readonly Row[] = [
    {
      name: 'a chunk, a byte at a time',
      pieces: ({ upload }) => [...request('PATCH', upload, { headers: { 'Content-Length': '100' } }), ...drip('x')],
      expected: STALLED,
      upload: { keeps: 25 },
    },
    {
      name: 'a chunked blob in one request, a byte at a time',
      pieces: ({ repo }) => [
        ...request('POST', `/v2/${repo}/blobs/uploads/?digest=${DIGEST}`, {
          headers: { 'Transfer-Encoding': 'chunked' },
          length: false,
        }),
        ...drip('1\r\nx\r\n'),
      ],
      expected: STALLED,
    },
  ];
  for (const outcome of await Promise.all(rows.map((row) => sendRow(strict, row)))) {
    if (outcome === 'closed') throw new Error('closed without an answer');
    expect(outcome.milliseconds).toBeWithin(IDLE_MS * 0.9, IDLE_MS * 8);
  }
  await expectUnchanged(strict, before);
});

test('the bytes of a client that disconnects in the middle are kept, and the upload can be continued', async () => {
  const upload = await openUpload(site.server, site.repo);
  let leave: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    leave = resolve;
  });
  const body = request('PATCH', upload, { headers: { 'Content-Length': '10' }, body: 'hello' });
  // Bytes that the server has not read yet would be lost with the connection.
  const writer = await sendWriter(site.server, upload, [...body, gate, HANG_UP]);
  leave();
  expect(await writer.outcome).toBe('closed');
  await eventually(async () => {
    const { headers } = await expectStatus(204, site.server.url + upload);
    expect(headers.get('range')).toBe('0-4');
  });
  const digest = 'sha256:936a185caaa266bb9cbe981e9e05cb78cd732b0b3280eb944412bb6f8f8f07af';
  const headers = { 'Content-Range': '5-9' };
  // As long as the server has not noticed that the client is gone, its request counts as another one that writes.
  await eventually(async () => {
    await expectStatus(201, `${site.server.url}${upload}?digest=${digest}`, { method: 'PUT', headers, body: 'world' });
  });
  const { bytes } = await expectStatus(200, `${site.server.url}/v2/${site.repo}/blobs/${digest}`);
  expect(new TextDecoder().decode(bytes)).toBe('helloworld');
});
