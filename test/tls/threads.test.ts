// Several threads, each of which ends TLS by itself.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { writeAccessFiles } from '../access/world.ts';
import { TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { digestOf, randomBlob } from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';
import { within } from '../support/within.ts';
import { fromAllThreads, send } from '../threads/connections.ts';
import { logOf } from '../threads/support.ts';
import { Authority, type Certificate, CertificateFiles } from './authority.ts';
import { nameShownBy } from './connection.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const THREADS = '3';
const SOON_MS = 60_000;
const MIN_REQUESTS = 100;
const RULES = `
rules:
  - { who: 'cert:deployer', repositories: ['**'], actions: [pull, push, metrics] }
`;

let authority: Authority;
let deployer: Certificate;

beforeAll(async () => {
  await tools('openssl');
  authority = await Authority.open();
  deployer = await authority.issue({ subject: '/CN=deployer', extensions: ['extendedKeyUsage=clientAuth'] });
}, TOOLS_WITHIN_MS);

/** Over a new connection. */
async function request(server: Server, path: string, init: BunFetchRequestInit = {}) {
  return await send(server.url + path, { ...init, tls: { ca: authority.pem, ...deployer } } as BunFetchRequestInit);
}

async function pushBlob(server: Server, repository: string, blob: ReturnType<typeof randomBlob>): Promise<number> {
  const begun = await request(server, `/v2/${repository}/blobs/uploads/`, { method: 'POST' });
  const target = new URL(begun.headers.get('location') ?? '', server.url);
  target.searchParams.set('digest', blob.descriptor.digest);
  return (await request(server, target.pathname + target.search, { method: 'PUT', body: blob.bytes })).status;
}

test('every thread knows clients by their certificates, and sends big blobs', async () => {
  const files = new CertificateFiles(await authority.issue());
  const access = { ...writeAccessFiles(RULES).env, TLS_CLIENT_CA_FILE: authority.file, PUBLIC_HOSTS: '' };
  const server = await startServer({ ...files.env, ...access, THREADS });
  const blob = randomBlob(9 * 1024 * 1024);
  expect(await pushBlob(server, 'ours/app', blob)).toBe(201);
  const path = `/v2/ours/app/blobs/${blob.descriptor.digest}`;
  const digests = await fromAllThreads(async () => digestOf((await request(server, path)).bytes));
  expect([...digests]).toEqual([blob.descriptor.digest]);
  // A thread that is late with its numbers counts with its last ones.
  await eventually(async () => {
    const metrics = new TextDecoder().decode((await request(server, '/metrics')).bytes);
    const served = [...metrics.matchAll(/^marina_thread_requests_total\{thread="\d+"\} (\d+)$/gm)];
    expect(served.map(([, count]) => Number(count) > 0)).toEqual(Array.from({ length: Number(THREADS) }, () => true));
  });
  const anonymous = await fromAllThreads(async () => {
    const { status } = await send(server.url + path, { tls: { ca: authority.pem } } as BunFetchRequestInit);
    return status;
  });
  expect([...anonymous]).toEqual([401]);
});

test('certificates change under load, and no connection fails', async () => {
  const [one, two] = await Promise.all(['one', 'two'].map((name) => authority.issue({ subject: `/CN=${name}` })));
  if (one === undefined || two === undefined) throw new Error('no certificates');
  const files = new CertificateFiles(one);
  const server = await startServer({ ...files.env, THREADS });
  const names = () => fromAllThreads(() => nameShownBy(server.port, authority.pem));
  let isOver = false;
  let requests = 0;
  const load = Array.from({ length: 6 }, async () => {
    while (!isOver || requests <= MIN_REQUESTS) {
      const { status } = await send(`${server.url}/v2/`, { tls: { ca: authority.pem } } as BunFetchRequestInit);
      expect(status).toBe(200);
      requests++;
    }
  });
  for (const [certificate, name] of [
    [two, 'two'],
    [one, 'one'],
    [two, 'two'],
  ] as const) {
    files.write(certificate);
    await eventually(async () => expect([...(await names())]).toEqual([name]), SOON_MS);
  }
  isOver = true;
  await Promise.all(load);
});

test('a thread that fails takes the process down at once', async () => {
  const { env } = new CertificateFiles(await authority.issue());
  // With a single thread beside the owner, no second one can fail in the same moment.
  const server = await startServer({ ...env, THREADS: '2', CRASH_POINT: 'append.before-apply:1:thread' });
  const pushes = Array.from({ length: 40 }, async (_, each) => {
    // The process may exit before it answers; its exit is what counts.
    await pushBlob(server, `failing/r${each}`, randomBlob(100)).catch(() => undefined);
  });
  expect(await within(SOON_MS, server.process.exited)).toBe(1);
  await Promise.all(pushes);
  expect(logOf(server).filter(({ level }) => level === 60)).toHaveLength(1);
  await server.kill();
});
