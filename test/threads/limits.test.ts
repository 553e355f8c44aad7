// Limits hold for all threads of a process together. Each request comes on a connection of its own, so the kernel gives it to any thread.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { basic, PUBLIC_HOST, writeAccessFiles } from '../access/world.ts';
import { type Answer, exchange, request } from '../hostile/wire.ts';
import { concurrently } from '../support/concurrently.ts';
import { eventually } from '../support/eventually.ts';
import { holdRequests } from '../support/in-flight.ts';
import { expectStatus, pushBlob, randomBlob } from '../support/oci.ts';
import { startIssuer } from '../support/oidc-issuer.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { metricsOf, NEW_CONNECTION } from './support.ts';

setDefaultTimeout(300_000);

const THREADS = 4;
/** So many new connections miss a thread about once in three thousand million times. */
const MANY = 80;

const sockets: Socket[] = [];

afterAll(async () => {
  release();
  await cleanUp();
});

function start(env: Readonly<Record<string, string>>): Promise<Server> {
  // Requests that a test holds must not time out before it has asked many times on a busy machine.
  return startServer({ THREADS: String(THREADS), BODY_IDLE_TIMEOUT: '10m', ...env });
}

type Headers = Readonly<Record<string, string>>;

async function answerTo(
  { port }: Server,
  address: string,
  target: string,
  { method = 'GET', headers = {} }: { readonly method?: string; readonly headers?: Headers } = {},
): Promise<Answer> {
  const body = method === 'POST' ? { body: '' } : {};
  const outcome = await exchange(
    port,
    request(method, target, { host: PUBLIC_HOST, headers, ...body }),
    false,
    address,
  );
  return outcome === 'closed' ? expect.unreachable('closed without an answer') : outcome;
}

/** Sends the same request over many new connections, a few at a time. @returns how often each status was the answer */
async function statuses(send: (number: number) => Promise<Answer>, times = MANY): Promise<Record<number, number>> {
  const counts: Record<number, number> = {};
  for (let number = 0; number < times; number++) {
    const { status } = await send(number);
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

/** Begins uploads over connections of their own, and pauses each in the middle. */
async function hold(server: Server, address: string, count: number, headers: Headers = {}): Promise<void> {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const patches: string[] = [];
  while (patches.length < count) {
    const started = await answerTo(server, address, '/v2/ours/a/blobs/uploads/', { method: 'POST', headers });
    expect(started.status).toBe(202);
    const location = started.headers.get('location') ?? '';
    const path = location.startsWith('http') ? new URL(location).pathname + new URL(location).search : location;
    patches.push(`PATCH ${path} HTTP/1.1\r\nHost: ${PUBLIC_HOST}\r\n${lines.join('')}Content-Length: 10\r\n\r\nhal`);
  }
  const to = { port: server.port, host: '127.0.0.1', localAddress: address };
  sockets.push(...(await holdRequests(to, patches, count, () => inFlight(server, headers))));
}

/** Requests in progress beside the one that asks. */
async function inFlight(server: Server, headers: Headers): Promise<number> {
  const asking = 'Authorization' in headers ? 1 : 0;
  const asked = asking === 1 ? { headers: { Authorization: basic('admin') } } : {};
  const { body } = await answerTo(server, '127.0.0.9', '/metrics', asked);
  return Number(/^marina_requests_in_flight (\d+)$/m.exec(body)?.[1]) - asking;
}

function release(): void {
  for (const socket of sockets.splice(0)) socket.destroy();
}

describe('over the connections of all threads', () => {
  test('MAX_CONNECTIONS requests are served, and every further one is refused until some end', async () => {
    const max = 9;
    const server = await start({ MAX_CONNECTIONS: String(max), MAX_CONNECTIONS_SHARE: '100' });
    await hold(server, '127.0.0.1', max - 1);
    const ping = (): Promise<Answer> => answerTo(server, '127.0.0.2', '/v2/');
    // There is room for one at a time.
    await eventually(async () => expect((await ping()).status).toBe(200));
    await holdOneMore(server, max);
    expect(await statuses(ping)).toEqual({ 503: MANY });
    release();
    await eventually(async () => expect(await statuses(ping, 20)).toEqual({ 200: 20 }));
    expect(await server.stop()).toBe(0);
  });

  test('a client gets its share, and no thread gives it more', async () => {
    const server = await start({ MAX_CONNECTIONS: '100', MAX_CONNECTIONS_SHARE: '6' });
    await hold(server, '127.0.0.1', 6);
    const ping = (address: string) => (): Promise<Answer> => answerTo(server, address, '/v2/');
    expect(await statuses(ping('127.0.0.1'))).toEqual({ 429: MANY });
    expect(await statuses(ping('127.0.0.2'))).toEqual({ 200: MANY });
    release();
    await eventually(async () => expect(await statuses(ping('127.0.0.1'), 20)).toEqual({ 200: 20 }));
    expect(await server.stop()).toBe(0);
  });

  test.each([
    ['MAX_REQUESTS_PER_SUBJECT', '5'],
    ['MAX_UPLOADS_PER_SUBJECT', '5'],
    ['MAX_UPLOAD_BYTES_PER_SUBJECT', '50'],
  ])('%s bounds one account, and no other', async (setting, limit) => {
    const server = await start({ ...writeAccessFiles().env, [setting]: limit });
    await hold(server, '127.0.0.1', 5, { Authorization: basic('pusher') });
    const digest = `sha256:${new Bun.CryptoHasher('sha256').update('x').digest('hex')}`;
    const push = (account: string) => async (): Promise<Answer> => {
      const headers = { Authorization: basic(account), 'Content-Type': 'application/octet-stream' };
      const target = `/v2/ours/a/blobs/uploads/?digest=${digest}`;
      const pieces = request('POST', target, { host: PUBLIC_HOST, headers, body: 'x' });
      const outcome = await exchange(server.port, pieces, false, '127.0.0.3');
      return outcome === 'closed' ? expect.unreachable('closed without an answer') : outcome;
    };
    expect(await statuses(push('pusher'), 40)).toEqual({ 429: 40 });
    expect(await statuses(push('admin'), 10)).toEqual({ 201: 10 });
    release();
    await eventually(async () => expect((await push('pusher')()).status).toBe(201));
    expect(await server.stop()).toBe(0);
  });
});

/** One more upload whose session exists, though no request can begin another. */
async function holdOneMore(server: Server, expected: number): Promise<void> {
  const put = `PUT /v2/ours/a/manifests/v1 HTTP/1.1\r\nHost: ${PUBLIC_HOST}\r\nContent-Length: 10\r\n\r\n{`;
  const to = { port: server.port, host: '127.0.0.1' };
  sockets.push(...(await holdRequests(to, [put], expected, () => inFlight(server, {}))));
}

describe('a client that guesses', () => {
  let server: Server;
  beforeAll(async () => {
    server = await start(writeAccessFiles().env);
  });

  const logIn = (address: string, account: string, password?: string): Promise<Answer> =>
    answerTo(server, address, '/v2/', { headers: { Authorization: basic(account, password) } });

  test('gets ten wrong passwords, however many threads it connects to', async () => {
    const counts = await statuses((number) => logIn('127.0.0.11', 'reader', `guess ${number}`), 40);
    expect(counts).toEqual({ 401: 10, 429: 30 });
    expect((await logIn('127.0.0.12', 'reader', 'another guess')).status).toBe(401);
    // Only its own account is right behind that address.
    expect((await logIn('127.0.0.11', 'admin')).status).toBe(200);
  });

  test('at once gets ten, too', async () => {
    const all = Array.from({ length: 40 }, (_, number) => logIn('127.0.0.13', 'reader', `at once ${number}`));
    const answers = (await Promise.all(all)).map(({ status }) => status).sort();
    expect(answers).toEqual([...Array.from({ length: 10 }, () => 401), ...Array.from({ length: 30 }, () => 429)]);
  });

  test('may repeat an outdated password on all threads, which counts once', async () => {
    expect(await statuses(() => logIn('127.0.0.14', 'reader', 'outdated'))).toEqual({ 401: MANY });
    expect((await logIn('127.0.0.14', 'reader')).status).toBe(200);
  });

  test('the secrets of robots gets ten as well, and an outdated one counts once', async () => {
    const counts = await statuses((number) => logIn('127.0.0.15', 'robot+ci', `guess ${number}`), 40);
    expect(counts).toEqual({ 401: 10, 429: 30 });
    expect(await statuses(() => logIn('127.0.0.16', 'robot+ci', 'outdated'))).toEqual({ 401: MANY });
  });
});

test('the keys of an issuer are fetched once for all threads', async () => {
  const issuer = await startIssuer();
  const rules = `
issuers:
  - { name: ci, issuer: '${issuer.url}', audience: registry.example, jwks: discover }
rules:
  - { who: 'oidc:ci:*', repositories: ['**'], actions: [pull] }
`;
  const file = join(temporaryFolder('rules'), 'access.yaml');
  writeFileSync(file, rules);
  const server = await start({ ...writeAccessFiles().env, ACCESS_FILE: file });
  const ping = async (number: number): Promise<Answer> => {
    // Another token each time, so that none is known.
    const token = await issuer.token({ sub: `job-${number}` });
    return await answerTo(server, '127.0.0.1', '/v2/', { headers: { Authorization: `Bearer ${token}` } });
  };
  expect(await statuses(ping)).toEqual({ 200: MANY });
  expect(issuer.asked).toEqual({ '/.well-known/openid-configuration': 1, '/keys': 1 });
  await issuer.stop();
  expect(await server.stop()).toBe(0);
});

test('CONTENT_CACHE is the memory of all threads, though each caches what its clients pull', async () => {
  const budget = 4 * 1024 * 1024;
  const server = await start({ CONTENT_CACHE: String(budget) });
  const blobs = Array.from({ length: 300 }, () => randomBlob(30_000));
  for (const blob of blobs) await pushBlob(server.url, 'ours/a', blob);
  for (let time = 0; time < 10; time++) {
    await concurrently(8, blobs, async ({ descriptor: { digest }, bytes }) => {
      const answer = await expectStatus(200, `${server.url}/v2/ours/a/blobs/${digest}`, NEW_CONNECTION);
      expect(answer.bytes.length).toBe(bytes.length);
    });
  }
  const cached = (await metricsOf(server.url)).get('marina_content_cache_bytes');
  expect(cached).toBeLessThanOrEqual(budget);
  // All threads have filled their parts.
  expect(cached).toBeGreaterThan(budget * 0.9);
  expect(await server.stop()).toBe(0);
});
