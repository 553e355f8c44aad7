// The sample balancer in front of a node refuses URLs that the node cannot see, and connections that it cannot count.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { connect, type Socket } from 'node:net';
import { type Balancer, startBalancer, stopBalancers } from '../support/balancer.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, pushManifest } from '../support/oci.ts';
import { cleanUp } from '../support/server.ts';
import { openSite, type Site } from './site.ts';
import { type Answer, exchange, request } from './wire.ts';

/** The limit in deploy/haproxy.cfg. */
const MAX_PER_ADDRESS = 2_000;

let site: Site;
let balancer: Balancer;
const sockets: Socket[] = [];

beforeAll(async () => {
  site = await openSite({ TRUST_PROXY: 'loopback' });
  balancer = await startBalancer([site.server.host]);
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await stopBalancers();
  await cleanUp();
});

async function answerTo(target: string, method = 'GET'): Promise<Answer> {
  const outcome = await exchange(balancer.port, request(method, target));
  if (outcome === 'closed') throw new Error('closed without an answer');
  return outcome;
}

test.each<[string, (site: Site) => string]>([
  ['dots', ({ repo, tag }) => `/v2/public/../${repo}/manifests/${tag}`],
  ['dots that leave the API', () => '/v2/../metrics'],
  ['dots at the end', ({ repo }) => `/v2/${repo}/manifests/..`],
  ['a dot', ({ repo, tag }) => `/v2/./${repo}/manifests/${tag}`],
  ['encoded dots', ({ repo, tag }) => `/v2/public/%2e%2e/${repo}/manifests/${tag}`],
  ['half-encoded dots in upper case', ({ repo, tag }) => `/v2/public/.%2E/${repo}/manifests/${tag}`],
  ['backslashes', ({ repo, tag }) => `/v2\\public\\..\\${repo}/manifests/${tag}`],
  ['a backslash for a slash', ({ repo, tag }) => `/v2/${repo.replace('/', '\\')}/manifests/${tag}`],
  ['an encoded slash', ({ repo, tag }) => `/v2/${repo.replace('/', '%2f')}/manifests/${tag}`],
  ['an encoded backslash', ({ repo, tag }) => `/v2/${repo.replace('/', '%5C')}/manifests/${tag}`],
  ['an encoded letter', ({ repo, tag }) => `/v2/%68${repo.slice(1)}/manifests/${tag}`],
  ['dots after a host', ({ repo, tag }) => `http://registry.example/v2/public/../${repo}/manifests/${tag}`],
])('a URL that the node would normalize, with %s, does not reach it', async (_, target) => {
  const { status, body } = await answerTo(target(site));
  expect([status, JSON.parse(body)]).toEqual([
    400,
    { errors: [{ code: 'NAME_INVALID', message: expect.stringMatching(/^.{10,400}$/) }] },
  ]);
  // The next request does. Once its line is in the log, the first one would be, too.
  const after = `/v2/?after=${encodeURIComponent(target(site))}`;
  await answerTo(after);
  await eventually(() => expect(site.server.logs()).toContain(`"path":"${after}"`));
  expect(site.server.logs()).not.toContain(`"path":${JSON.stringify(target(site))}`);
  expect(site.server.logs()).not.toContain('"path":"/v2/public');
});

test('similar URLs pass: dots in a tag, an encoded colon, anything in a query', async () => {
  const { repo, image, server } = site;
  await pushManifest(server.url, repo, image, 'v1..2');
  for (const target of [
    `/v2/${repo}/manifests/v1..2`,
    `/v2/${repo}/manifests/${image.descriptor.digest.replace(':', '%3A')}`,
    `/v2/${repo}/tags/list?last=..%2f..%5c%61`,
  ]) {
    expect(await answerTo(target)).toMatchObject({ status: 200 });
  }
});

test('one address gets its share of the connections, and other addresses are still served', async () => {
  const open = (): Promise<'open' | 'closed'> =>
    new Promise((resolve) => {
      const socket = connect({ port: balancer.port, host: '127.0.0.1' });
      sockets.push(socket);
      socket.on('error', () => resolve('closed'));
      socket.on('close', () => resolve('closed'));
      socket.on('data', () => resolve('open'));
      socket.on('connect', () => socket.write('GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n'));
    });
  const outcomes: string[] = [];
  // Not all at once, because that would test the backlog of the listening socket.
  while (outcomes.length < MAX_PER_ADDRESS + 100)
    outcomes.push(...(await Promise.all(Array.from({ length: 100 }, open))));
  const opened = outcomes.filter((each) => each === 'open').length;
  // A few connections of earlier tests may still be open.
  expect(opened).toBeWithin(MAX_PER_ADDRESS - 50, MAX_PER_ADDRESS + 1);
  const elsewhere = Bun.spawn(
    ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '--interface', '127.0.0.2', `${balancer.url}/v2/`],
    { stdout: 'pipe' },
  );
  expect(await new Response(elsewhere.stdout).text()).toBe('200');
  for (const socket of sockets.splice(0)) socket.destroy();
  // Once the balancer has noticed that they are gone.
  await eventually(async () => void (await expectStatus(200, `${balancer.url}/v2/`)));
});
