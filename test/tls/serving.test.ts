// The server speaks TLS: what clients get, what they do not get, and what is never sent in plain text.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readdirSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { attempt, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { type Content, digestOf, randomBlob } from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';
import { LOOPBACK, listeningOn } from '../support/sockets.ts';
import { Authority, CertificateFiles } from './authority.ts';
import { Connection } from './connection.ts';
import { bytesOf, Tap } from './tap.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const REPOSITORY = 'tls/blobs';
const [small, big, huge] = [
  randomBlob(64 * 1024),
  randomBlob(9 * 1024 * 1024 + 1),
  randomBlob(64 * 1024 * 1024),
] as const;

let authority: Authority;
let server: Server;
let openssl: string;

beforeAll(async () => {
  [openssl] = await tools('openssl');
  authority = await Authority.open();
  server = await startServer({
    ...new CertificateFiles(await authority.issue()).env,
    HSTS_MAX_AGE: '365d',
  });
  for (const blob of [small, big, huge]) await push(blob);
}, TOOLS_WITHIN_MS);

function get(path: string, init: BunFetchRequestInit = {}, url = server.url): Promise<Response> {
  return fetch(url + path, { ...init, tls: { ca: authority.pem } });
}

async function push(blob: Content): Promise<void> {
  const { headers } = await get(`/v2/${REPOSITORY}/blobs/uploads/`, { method: 'POST' });
  const location = headers.get('location') ?? '';
  const target = `${location}${location.includes('?') ? '&' : '?'}digest=${blob.descriptor.digest}`;
  const response = await get(target, { method: 'PUT', body: blob.bytes });
  expect(response.status).toBe(201);
}

function pathOf(blob: Content): string {
  return `/v2/${REPOSITORY}/blobs/${blob.descriptor.digest}`;
}

/** How many files of blobs the server has open. */
function openBlobs(): number {
  const folder = `/proc/${server.process.pid}/fd`;
  return readdirSync(folder).filter((name) => {
    try {
      return readlinkSync(join(folder, name)).startsWith(join(server.dataPath, 'data'));
    } catch {
      // It was closed in the meantime.
      return false;
    }
  }).length;
}

/** The version of TLS that both agree on. */
async function protocolWith(options: ConnectionOptions): Promise<string | null> {
  const agreed = Promise.withResolvers<string | null>();
  const socket = connectTls({ host: '127.0.0.1', port: server.port, ca: authority.pem, ...options }, () => {
    agreed.resolve(socket.getProtocol());
    socket.destroy();
  });
  socket.on('error', agreed.reject);
  return await agreed.promise;
}

describe('TLS', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)('%s is spoken', async (version) => {
    expect(await protocolWith({ minVersion: version, maxVersion: version })).toBe(version);
  });

  test.each(['-tls1', '-tls1_1'])('%s is refused', async (version) => {
    const old = ['s_client', '-connect', server.host, version, '-cipher', 'ALL:@SECLEVEL=0'];
    const { code, stderr } = await attempt([openssl, ...old]);
    expect({ code, isRefused: stderr.includes('alert protocol version') }).toEqual({ code: 1, isRefused: true });
  });

  test('HTTP/1.1 is negotiated with clients that also offer HTTP/2', async () => {
    const agreed = Promise.withResolvers<unknown>();
    const options = { host: '127.0.0.1', port: server.port, ca: authority.pem, ALPNProtocols: ['h2', 'http/1.1'] };
    const socket = connectTls(options, () => {
      agreed.resolve(socket.alpnProtocol);
      socket.destroy();
    });
    expect(await agreed.promise).toBe('http/1.1');
  });

  test('a client that speaks plain HTTP is disconnected, and others are not affected', async () => {
    const received: Buffer[] = [];
    const closed = Promise.withResolvers<void>();
    const socket = connect(server.port, '127.0.0.1', () =>
      socket.write('GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    );
    socket.on('data', (bytes) => received.push(bytesOf(bytes)));
    socket.on('close', () => closed.resolve());
    await closed.promise;
    expect(Buffer.concat(received).toString('latin1')).not.toContain('HTTP');
    expect((await get('/v2/')).status).toBe(200);
    await eventually(async () => {
      const series = 'marina_tls_handshake_failures_total{reason="plain-http"} 1';
      expect(await (await get('/metrics')).text()).toContain(series);
    });
  });
});

test('every response has the HSTS header', async () => {
  for (const path of ['/', '/v2/', '/healthz', '/readyz', '/metrics', '/nothing', pathOf(small), pathOf(big)]) {
    const response = await get(path);
    await response.arrayBuffer();
    expect([path, response.headers.get('strict-transport-security')]).toEqual([path, 'max-age=31536000']);
  }
});

describe('a blob', () => {
  test.each([
    ['small', small],
    ['big', big],
    ['huge', huge],
  ] as const)('that is %s arrives whole', async (_, blob) => {
    const response = await get(pathOf(blob));
    expect(response.headers.get('content-length')).toBe(String(blob.bytes.length));
    expect(digestOf(await response.bytes())).toBe(blob.descriptor.digest);
  });

  test('arrives in ranges', async () => {
    for (const [first, last] of [
      [0, 0],
      [1000, 1999],
      [7, big.bytes.length - 2],
    ] as const) {
      const response = await get(pathOf(big), { headers: { range: `bytes=${first}-${last}` } });
      expect(response.status).toBe(206);
      expect(digestOf(await response.bytes())).toBe(digestOf(big.bytes.subarray(first, last + 1)));
    }
  });

  test('arrives whole at many concurrent clients', async () => {
    const all = await Promise.all(
      Array.from({ length: 12 }, async (_, i) => {
        const blob = i % 2 === 0 ? big : small;
        return digestOf(await (await get(pathOf(blob))).bytes()) === blob.descriptor.digest;
      }),
    );
    expect(all).not.toContain(false);
  });

  test('is never sent in plain text', async () => {
    const tap = await Tap.open(server.port);
    for (const blob of [small, big]) {
      const response = await get(pathOf(blob), {}, `https://127.0.0.1:${tap.port}`);
      expect(digestOf(await response.bytes())).toBe(blob.descriptor.digest);
    }
    await tap.close();
    const wire = tap.recorded;
    expect(wire.length).toBeGreaterThan(small.bytes.length + big.bytes.length);
    expect(wire.includes('HTTP/1.1')).toBe(false);
    for (const { bytes } of [small, big]) {
      for (let at = 0; at < bytes.length; at += 61_441) expect(wire.includes(bytes.subarray(at, at + 24))).toBe(false);
    }
  });

  test('arrives whole at a client that reads slowly', async () => {
    const tap = await Tap.open(server.port, 4 * 1024 * 1024);
    const medium = randomBlob(3 * 1024 * 1024);
    await push(medium);
    for (const blob of [medium, big]) {
      const response = await get(pathOf(blob), { headers: { connection: 'close' } }, `https://127.0.0.1:${tap.port}`);
      expect(digestOf(await response.bytes())).toBe(blob.descriptor.digest);
    }
    await tap.close();
  });

  test('leaves the connection open for the next request', async () => {
    const connection = await Connection.open(server.port, authority.pem);
    for (const blob of [big, small, big, huge]) {
      connection.request([pathOf(blob)]);
      const { status, body } = await connection.response();
      expect([status, digestOf(body)]).toEqual([200, blob.descriptor.digest]);
    }
    connection.request([pathOf(big)], 'Range: bytes=1-8000000', 'Connection: close');
    const { status, headers, body } = await connection.response();
    expect([status, headers.get('connection'), digestOf(body)]).toEqual([
      206,
      'close',
      digestOf(big.bytes.subarray(1, 8_000_001)),
    ]);
    await connection.closed;
  });

  test('is not mixed with the responses around it when the client pipelines requests', async () => {
    const connection = await Connection.open(server.port, authority.pem);
    const blobs = [small, big, small, small];
    connection.request(blobs.map(pathOf));
    for (const blob of blobs) expect(digestOf((await connection.response()).body)).toBe(blob.descriptor.digest);
    connection.close();
  });
});

describe('a client', () => {
  test('that hangs up in the middle of a blob leaves nothing behind', async () => {
    const open = async () => {
      const text = await (await get('/metrics')).text();
      expect(text).toMatch(/^marina_requests_in_flight 0$/m);
      return Number(/^marina_tls_connections (\d+)$/m.exec(text)?.[1]);
    };
    let before = 0;
    await eventually(async () => {
      before = await open();
    });
    for (let i = 0; i < 5; i++) {
      const connection = await Connection.open(server.port, authority.pem);
      // It reads nothing.
      connection.request([pathOf(huge), pathOf(huge)]);
      await eventually(() => expect(openBlobs()).toBeGreaterThan(0));
      connection.close();
    }
    await eventually(async () => expect(await open()).toBeLessThanOrEqual(before));
    await eventually(() => expect(openBlobs()).toBe(0));
  });

  test('is identified by its address, which is in the log', async () => {
    await get(`/v2/${REPOSITORY}/tags/list`);
    await eventually(() => expect(server.logs()).toMatch(/"client":"127\.0\.0\.1".*tags\/list/));
  });
});

test('a process of this machine that connects behind the TLS port is refused', async () => {
  const ports = listeningOn(LOOPBACK, server.process.pid).filter((port) => port !== server.port);
  // One for each thread.
  expect(ports.length).toBeGreaterThan(0);
  for (const port of ports) {
    for (const path of ['/v2/', pathOf(small), '/v2/_catalog']) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      expect(response.status).toBe(400);
      expect(await response.text()).toContain('use its https port');
    }
  }
});

test('idle clients do not delay a shutdown, even if they never close their side', async () => {
  const draining = await startServer(new CertificateFiles(await authority.issue()).env);
  const options = { host: '127.0.0.1', port: draining.port, ca: authority.pem, allowHalfOpen: true };
  const answered = Promise.withResolvers<void>();
  const [served, quiet] = [connectTls(options), connectTls(options)];
  for (const socket of [served, quiet]) socket.on('error', () => {});
  served.once('data', () => answered.resolve());
  served.write('GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const silent = connect(draining.port, '127.0.0.1');
  silent.on('error', () => {});
  await answered.promise;
  const begun = performance.now();
  expect(await draining.stop()).toBe(0);
  // Much less than requests in progress would get.
  expect(performance.now() - begun).toBeLessThan(20_000);
  for (const socket of [served, quiet, silent]) socket.destroy();
});

test('a pull that is in progress at SIGTERM is finished', async () => {
  const draining = await startServer(new CertificateFiles(await authority.issue()).env);
  const { headers } = await get(`/v2/a/blobs/uploads/`, { method: 'POST' }, draining.url);
  const location = headers.get('location') ?? '';
  const target = `${location}${location.includes('?') ? '&' : '?'}digest=${huge.descriptor.digest}`;
  await get(target, { method: 'PUT', body: huge.bytes }, draining.url);
  const response = await get(`/v2/a/blobs/${huge.descriptor.digest}`, {}, draining.url);
  const reader = response.body?.getReader();
  const chunks: Uint8Array[] = [];
  const first = await reader?.read();
  if (first?.value !== undefined) chunks.push(first.value);
  const stopped = draining.stop();
  for (;;) {
    await Bun.sleep(1);
    const next = await reader?.read();
    if (next?.value === undefined) break;
    chunks.push(next.value);
  }
  expect(digestOf(Buffer.concat(chunks))).toBe(huge.descriptor.digest);
  expect(await stopped).toBe(0);
});
