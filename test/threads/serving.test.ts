// Several threads on one port, as one node: on a data folder, on a bucket, and in a cluster.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { RawClient } from '../durability/raw-client.ts';
import { startCluster, stopClusters } from '../support/cluster.ts';
import { run, runBytes, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { inFlightAt, untilInFlight } from '../support/in-flight.ts';
import { expectStatus, image, pushImage, pushManifest, randomBlob } from '../support/oci.ts';
import { cleanUp, freePort, projectRoot, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { within } from '../support/within.ts';
import { logOf, metricsOf, NEW_CONNECTION, refusal, requestsOf } from './support.ts';

const SOON_MS = 60_000;

let crane: string;
/** Settings of each shape. */
const shapes: Record<string, Readonly<Record<string, string>>> = {};

beforeAll(async () => {
  [crane] = await tools('crane');
  const { env } = await startCluster({ nodes: 1, workers: 0, balancer: false, env: { THREADS: '2' } });
  const { REDIS_URL: _, ...bucket } = env;
  shapes.cluster = env;
  shapes.folder = {};
  shapes.bucket = { ...bucket, S3_PREFIX: 'alone' };
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await cleanUp();
  await stopClusters();
});

function start(shape: string, settings: Readonly<Record<string, string>>): Promise<Server> {
  return startServer({ ...shapes[shape], ...settings });
}

async function expectEnd(server: Server, code: number): Promise<void> {
  expect(await within(SOON_MS, server.process.exited)).toBe(code);
}

describe.each([
  ['folder', '4'],
  ['bucket', '2'],
  ['bucket', '4'],
  ['cluster', '2'],
  ['cluster', '4'],
])('%s, %s threads:', (shape, threads) => {
  let server: Server;
  const count = Number(threads);

  beforeAll(async () => {
    server = await start(shape, { THREADS: threads });
  });

  test('new connections reach every thread, and each of them counts for the whole process', async () => {
    const before = await metricsOf(server.url);
    const requests = 40 * count;
    for (let request = 0; request < requests; request++) await expectStatus(200, `${server.url}/v2/`, NEW_CONNECTION);
    const byThread = await requestsOf(server.url);
    expect(byThread).toHaveLength(count);
    for (const served of byThread) expect(served).toBeGreaterThan(requests / count / 4);
    const series = 'marina_requests_total{route="ping",status="200"}';
    for (let scrape = 0; scrape < 2 * count; scrape++) {
      const metrics = await metricsOf(server.url);
      expect((metrics.get(series) ?? 0) - (before.get(series) ?? 0)).toBe(requests);
      expect([metrics.get('marina_threads'), metrics.get('marina_threads_late')]).toEqual([count, 0]);
    }
  });

  test('crane pushes and copies an image, and gets the same bytes back', async () => {
    const pushed = image({ layers: [randomBlob(3_000_000), randomBlob(100)] });
    const repository = `crane/${shape}${threads}`;
    await pushImage(server.url, `${repository}/from`, pushed, 'v1');
    const at = (name: string): string => `${server.host}/${repository}/${name}`;
    await run([crane, '--insecure', 'copy', at('from:v1'), at('to:v2')]);
    expect(await runBytes([crane, '--insecure', 'manifest', at('to:v2')])).toEqual(pushed.bytes);
    for (const { bytes, descriptor } of pushed.blobs)
      expect(await runBytes([crane, '--insecure', 'blob', at(`to@${descriptor.digest}`)])).toEqual(bytes);
    expect(await run([crane, '--insecure', 'catalog', server.host])).toContain(`${repository}/to`);
  });

  test('what one connection has pushed, each other connection reads at once', async () => {
    const repository = `fresh/${shape}${threads}`;
    const images = [image(), image()] as const;
    for (const each of images) await pushImage(server.url, repository, each);
    for (let round = 0; round < 10 * count; round++) {
      const current = images[round % 2 === 0 ? 0 : 1];
      await pushManifest(server.url, repository, current, 'latest');
      const reads = Array.from({ length: 8 }, () =>
        expectStatus(200, `${server.url}/v2/${repository}/manifests/latest`, NEW_CONNECTION),
      );
      for (const { bytes } of await Promise.all(reads)) expect(bytes).toEqual(current.bytes);
    }
  });

  test('an upload continues on any connection', async () => {
    const blob = randomBlob(60_000);
    const repository = `uploads/${shape}${threads}`;
    const begun = await expectStatus(202, `${server.url}/v2/${repository}/blobs/uploads/`, {
      ...NEW_CONNECTION,
      method: 'POST',
    });
    let location = begun.headers.get('location') ?? '';
    for (let at = 0; at < blob.bytes.length; at += 10_000) {
      const next = await expectStatus(202, server.url + location, {
        method: 'PATCH',
        headers: { connection: 'close', 'content-range': `${at}-${at + 9_999}` },
        body: blob.bytes.subarray(at, at + 10_000),
      });
      location = next.headers.get('location') ?? '';
    }
    const target = new URL(location, server.url);
    target.searchParams.set('digest', blob.descriptor.digest);
    await expectStatus(201, target.href, { ...NEW_CONNECTION, method: 'PUT' });
    const { bytes } = await expectStatus(200, `${server.url}/v2/${repository}/blobs/${blob.descriptor.digest}`);
    expect(bytes).toEqual(blob.bytes);
  });

  test('an upload that one connection cancels is gone on all others', async () => {
    const path = `/v2/uploads/${shape}${threads}/blobs/uploads/`;
    for (let round = 0; round < 3 * count; round++) {
      const begun = await expectStatus(202, server.url + path, { ...NEW_CONNECTION, method: 'POST' });
      const location = server.url + (begun.headers.get('location') ?? '');
      await expectStatus(204, location, { ...NEW_CONNECTION, method: 'DELETE' });
      for (let each = 0; each < 2 * count; each++) await expectStatus(404, location, NEW_CONNECTION);
    }
  });

  test('a second process cannot take the port', async () => {
    const second = { ...shapes[shape], STORAGE_PATH: temporaryFolder('second'), PORT: String(server.port) };
    for (const its of ['1', threads]) {
      const errors = await refusal({ ...second, THREADS: its });
      expect(errors).toBe(
        `marina: port ${server.port} is already in use: stop the program that uses it, or set PORT\n`,
      );
    }
    await expectStatus(200, `${server.url}/v2/`);
  });

  test('SIGTERM: uploads on every thread finish, and the exit code is 0', async () => {
    const repository = `drain/${shape}${threads}`;
    const blob = randomBlob(400_000);
    const begun = await Promise.all(
      Array.from({ length: 4 * count }, async () => {
        const path = `/v2/${repository}/blobs/uploads/`;
        const { headers } = await expectStatus(202, server.url + path, { ...NEW_CONNECTION, method: 'POST' });
        const client = await RawClient.open(server.port);
        client.request('PATCH', headers.get('location') ?? '', { 'Content-Length': blob.bytes.length });
        client.send(blob.bytes.subarray(0, 100_000));
        return client;
      }),
    );
    await untilInFlight(begun.length, () => inFlightAt(server.url));
    server.process.kill('SIGTERM');
    await Bun.sleep(500);
    expect(server.process.exitCode).toBeNull();
    for (const client of begun) client.send(blob.bytes.subarray(100_000));
    for (const client of begun) expect((await client.answer())?.status).toBe(202);
    await expectEnd(server, 0);
    const lines = logOf(server);
    expect(lines.filter(({ msg }) => msg === 'draining')).toMatchObject([{ inFlight: begun.length }]);
    expect(lines.at(-1)).toMatchObject({ msg: 'stopped' });
    const patches = lines.filter(({ msg, method, path }) => {
      return msg === 'request' && method === 'PATCH' && String(path).includes(repository);
    });
    expect(patches).toHaveLength(begun.length);
    await server.stop();
  });
});

test('a stalled client of any thread is cut off after DRAIN_TIMEOUT', async () => {
  const server = await start('bucket', { THREADS: '3', DRAIN_TIMEOUT: '2s' });
  const clients = await Promise.all(
    Array.from({ length: 9 }, async () => {
      const { headers } = await expectStatus(202, `${server.url}/v2/stalled/blobs/uploads/`, { method: 'POST' });
      const client = await RawClient.open(server.port);
      client.request('PATCH', headers.get('location') ?? '', { 'Content-Length': 1_000 });
      client.send(new Uint8Array(10));
      return client;
    }),
  );
  await untilInFlight(clients.length, () => inFlightAt(server.url));
  const begun = performance.now();
  server.process.kill('SIGTERM');
  await expectEnd(server, 0);
  const took = performance.now() - begun;
  expect(took).toBeGreaterThan(1_900);
  // Less than the default of 25 s, though the machine may be busy.
  expect(took).toBeLessThan(20_000);
  expect(logOf(server)).toContainEqual(
    expect.objectContaining({ inFlight: 9, msg: expect.stringContaining('cut off') }),
  );
  for (const client of clients) client.close();
  await server.stop();
});

test('a thread that fails takes the process down at once, with one fatal line and exit code 1', async () => {
  // With a single thread beside the owner, no second one can fail in the same moment.
  const server = await start('bucket', { THREADS: '2', CRASH_POINT: 'append.before-apply:1:thread' });
  // Some of these connections reach that thread.
  const pushes = Array.from({ length: 40 }, async (_, each) => {
    const pushed = image();
    // The process may exit before it answers; its exit is what counts.
    await pushImage(server.url, `failing/r${each}`, pushed, 'v1').catch(() => undefined);
  });
  await expectEnd(server, 1);
  await Promise.all(pushes);
  const fatal = logOf(server).filter(({ level }) => level === 60);
  expect(fatal).toEqual([expect.objectContaining({ msg: 'a thread failed: the process exits' })]);
  expect(JSON.stringify(fatal)).toContain('a defect at append.before-apply');
  await server.kill();
});

test('METRICS_PORT shows the whole process', async () => {
  const metricsPort = String(freePort());
  const server = await start('bucket', { THREADS: '3', METRICS_PORT: metricsPort });
  for (let request = 0; request < 60; request++) await expectStatus(200, `${server.url}/v2/`, NEW_CONNECTION);
  const metrics = await metricsOf(`http://127.0.0.1:${metricsPort}`);
  expect(metrics.get('marina_requests_total{route="ping",status="200"}')).toBe(60);
  expect(metrics.get('marina_threads')).toBe(3);
  const resident = metrics.get('process_resident_memory_bytes') ?? 0;
  expect(resident).toBeGreaterThan(50e6);
  expect(resident).toBeLessThan(600e6);
});

test('PORT=0 picks one free port for all threads', async () => {
  const server = Bun.spawn([`${projectRoot}/node_modules/.bin/bun`, 'src/main.ts'], {
    cwd: projectRoot,
    env: { PATH: process.env.PATH ?? '', HOST: '127.0.0.1', ...shapes.bucket, PORT: '0', THREADS: '4' },
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const output: string[] = [];
  const reading = (async (): Promise<void> => {
    for await (const text of server.stdout.pipeThrough(new TextDecoderStream())) output.push(text);
  })();
  await eventually(() => expect(output.join('')).toContain('Marina is listening'), SOON_MS);
  const [, url = ''] = /"address":"(http:\/\/127\.0\.0\.1:[1-9]\d*)"/.exec(output.join('')) ?? [];
  for (let request = 0; request < 80; request++) await expectStatus(200, `${url}/v2/`, NEW_CONNECTION);
  expect((await requestsOf(url)).filter((served) => served > 5)).toHaveLength(4);
  server.kill('SIGTERM');
  expect(await within(SOON_MS, server.exited)).toBe(0);
  await reading;
});
