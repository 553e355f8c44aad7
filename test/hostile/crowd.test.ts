// One client that keeps many requests in progress gets its share, and all others are served.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { Socket } from 'node:net';
import { eventually } from '../support/eventually.ts';
import { holdRequests } from '../support/in-flight.ts';
import { cleanUp } from '../support/server.ts';
import { openSite, type Site } from './site.ts';
import { type Answer, exchange, request } from './wire.ts';

const MAX = 20;
const SHARE = 10;

let site: Site;
const sockets: Socket[] = [];

beforeAll(async () => {
  site = await openSite({ MAX_CONNECTIONS: String(MAX), MAX_CONNECTIONS_SHARE: '50' });
});
afterAll(async () => {
  release();
  await cleanUp();
});

function release(): void {
  for (const socket of sockets.splice(0)) socket.destroy();
}

/** Begins uploads from an address of this machine, and pauses each in the middle. @param all that are in progress then */
async function hold(address: string, count: number, all: number): Promise<void> {
  const patches: string[] = [];
  while (patches.length < count)
    patches.push(`PATCH ${await beginUpload(address)} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhal`);
  const to = { port: site.server.port, host: '127.0.0.1', localAddress: address };
  sockets.push(...(await holdRequests(to, patches, all, inFlight)));
}

/** The path of a new upload. */
async function beginUpload(address: string): Promise<string> {
  const pieces = request('POST', `/v2/${site.repo}/blobs/uploads/`, { body: '' });
  const outcome = await exchange(site.server.port, pieces, false, address);
  if (outcome === 'closed') throw new Error('closed without an answer');
  expect(outcome.status).toBe(202);
  return outcome.headers.get('location') ?? '';
}

async function answerTo(address: string, target: string): Promise<Answer> {
  const outcome = await exchange(site.server.port, request('GET', target), false, address);
  if (outcome === 'closed') throw new Error('closed without an answer');
  return outcome;
}

async function inFlight(): Promise<number> {
  const { body } = await answerTo('127.0.0.9', '/metrics');
  return Number(/^marina_requests_in_flight (\d+)$/m.exec(body)?.[1]);
}

/** Requests that were refused because there were too many. */
async function overloaded(): Promise<number> {
  const { body } = await answerTo('127.0.0.3', '/metrics');
  return Number(/^marina_request_failures_total\{reason="overloaded"\} (\d+)$/m.exec(body)?.[1] ?? 0);
}

test('a client beyond its share gets 429 and others are served; beyond the total all clients get 503 until requests end', async () => {
  const manifest = `/v2/${site.repo}/manifests/${site.tag}`;
  await hold('127.0.0.1', SHARE, SHARE);
  const refused = await answerTo('127.0.0.1', manifest);
  expect(refused.status).toBe(429);
  expect(JSON.parse(refused.body)).toMatchObject({ errors: [{ code: 'TOOMANYREQUESTS' }] });
  expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
  expect(await answerTo('127.0.0.2', manifest)).toMatchObject({ status: 200 });

  await hold('127.0.0.2', MAX - SHARE, MAX);
  const before = await overloaded();
  expect(await answerTo('127.0.0.3', manifest)).toMatchObject({ status: 503 });
  // The operator can still see the state of the registry.
  for (const target of ['/healthz', '/readyz', '/metrics'])
    expect(await answerTo('127.0.0.3', target)).toMatchObject({ status: 200 });
  expect((await overloaded()) - before).toBe(1);

  release();
  for (const address of ['127.0.0.1', '127.0.0.2', '127.0.0.3'])
    await eventually(async () => expect(await answerTo(address, manifest)).toMatchObject({ status: 200 }));
});
