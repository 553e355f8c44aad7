// SIGTERM: requests in flight finish, new ones are refused, the process exits with 0, and uploads continue after a restart.
import { afterAll, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Content, digestOf, expectStatus, pushBlob, randomBlob } from '../support/oci.ts';
import { cleanUp, projectRoot, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { within } from '../support/within.ts';
import { RawClient } from './raw-client.ts';

const REPOSITORY = 'durability/drain';
/** More than the socket buffers between server and client hold. */
const BIG_BYTES = 64 * 1024 * 1024;
const SOON_MS = 60_000;

afterAll(cleanUp);

async function startUpload(server: Pick<Server, 'url'>): Promise<string> {
  const { headers } = await expectStatus(202, `${server.url}/v2/${REPOSITORY}/blobs/uploads/`, { method: 'POST' });
  return headers.get('location') ?? '';
}

/** A PATCH that announces all bytes and sends the first ones; returns once the server has written these to its folder. */
async function beginPatch(server: Pick<Server, 'port' | 'dataPath'>, location: string, blob: Content, sent: number) {
  const client = await RawClient.open(server.port);
  client.request('PATCH', location, { 'Content-Length': blob.bytes.length });
  client.send(blob.bytes.subarray(0, sent));
  await until(() => stagedBytes(server, location) === sent);
  return client;
}

function stagedBytes({ dataPath }: Pick<Server, 'dataPath'>, location: string): number {
  const folder = join(dataPath, 'uploads', location.slice(location.lastIndexOf('/') + 1));
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name !== 'session') : [];
  return names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

/** A GET whose response has started and is not read any further. */
async function beginDownload(server: Pick<Server, 'port'>, blob: Content): Promise<RawClient> {
  const client = await RawClient.open(server.port);
  client.request('GET', `/v2/${REPOSITORY}/blobs/${blob.descriptor.digest}`);
  await until(() => client.waiting > 0);
  client.pause();
  return client;
}

async function until(met: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + SOON_MS;
  while (!(await met())) {
    if (Date.now() > deadline) throw new Error(`this did not happen within ${SOON_MS} ms: ${met}`);
    await Bun.sleep(10);
  }
}

async function isRefused(port: number): Promise<boolean> {
  try {
    (await RawClient.open(port)).close();
    return false;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED') return true;
    throw error;
  }
}

/** On an existing connection: a 503, or the end of the connection. */
async function expectRefused(client: RawClient): Promise<void> {
  client.request('GET', '/v2/');
  const answer = await client.answer();
  if (answer === undefined) return;
  expect(answer.status).toBe(503);
  expect(answer.body.toString()).toContain('UNAVAILABLE');
}

test('uploads and downloads in flight are completed, new requests are refused, and the exit code is 0', async () => {
  const server = await startServer();
  const there = randomBlob(BIG_BYTES);
  const coming = randomBlob(8_000_000);
  await pushBlob(server.url, REPOSITORY, there);
  const location = await startUpload(server);
  const idle = await RawClient.open(server.port);
  idle.request('GET', '/v2/');
  expect((await idle.answer())?.status).toBe(200);
  const download = await beginDownload(server, there);
  const upload = await beginPatch(server, location, coming, 3_000_000);

  server.process.kill('SIGTERM');
  await until(() => isRefused(server.port));
  await expectRefused(idle);
  await Bun.sleep(500);
  expect(server.process.exitCode).toBeNull();
  upload.send(coming.bytes.subarray(3_000_000));
  expect((await upload.answer())?.status).toBe(202);
  await expectRefused(upload);
  expect(server.process.exitCode).toBeNull();
  download.resume();
  const { status, body } = (await download.answer()) ?? { status: 0, body: Buffer.alloc(0) };
  expect({ status, digest: digestOf(body) }).toEqual({ status: 200, digest: there.descriptor.digest });

  expect(await within(SOON_MS, server.process.exited)).toBe(0);
  await server.stop();
});

test('a stalled client is cut off after DRAIN_TIMEOUT, and the bytes of its upload are kept', async () => {
  const folder = temporaryFolder('drain');
  const server = await startServer({ STORAGE_PATH: folder, DRAIN_TIMEOUT: '2s' });
  const there = randomBlob(BIG_BYTES);
  const coming = randomBlob(8_000_000);
  await pushBlob(server.url, REPOSITORY, there);
  const location = await startUpload(server);
  const download = await beginDownload(server, there);
  const upload = await beginPatch(server, location, coming, 3_000_000);

  const begun = performance.now();
  server.process.kill('SIGTERM');
  expect(await within(60_000, server.process.exited)).toBe(0);
  const took = performance.now() - begun;
  expect(took).toBeGreaterThan(1_900);
  // Less than the default of 25 s, though the machine may be busy.
  expect(took).toBeLessThan(20_000);
  await server.stop();
  download.close();
  upload.close();

  const next = await startServer({ STORAGE_PATH: folder });
  const { headers } = await expectStatus(204, next.url + location);
  expect(headers.get('range')).toBe('0-2999999');
  const rest = coming.bytes.subarray(3_000_000);
  const target = `${next.url}${location}?digest=${coming.descriptor.digest}`;
  await expectStatus(201, target, { method: 'PUT', headers: { 'content-range': '3000000-7999999' }, body: rest });
  await next.stop();
});

test('upload sessions survive a clean restart', async () => {
  const folder = temporaryFolder('sessions');
  const blob = randomBlob(3_000_000);
  const first = await startServer({ STORAGE_PATH: folder });
  const empty = await startUpload(first);
  const begun = await startUpload(first);
  const piece = blob.bytes.subarray(0, 2_000_000);
  await expectStatus(202, first.url + begun, { method: 'PATCH', body: piece });
  expect(await first.stop()).toBe(0);

  const second = await startServer({ STORAGE_PATH: folder });
  expect((await expectStatus(204, second.url + empty)).headers.get('range')).toBe('0-0');
  expect((await expectStatus(204, second.url + begun)).headers.get('range')).toBe('0-1999999');
  const body = blob.bytes.subarray(2_000_000);
  const headers = { 'content-range': '2000000-2499999' };
  await expectStatus(202, second.url + begun, { method: 'PATCH', headers, body: body.subarray(0, 500_000) });
  expect(await second.stop()).toBe(0);

  const third = await startServer({ STORAGE_PATH: folder });
  const { digest } = blob.descriptor;
  await expectStatus(201, `${third.url}${begun}?digest=${digest}`, { method: 'PUT', body: body.subarray(500_000) });
  await expectStatus(201, `${third.url}${empty}?digest=${digest}`, { method: 'PUT', body: blob.bytes });
  const served = await expectStatus(200, `${third.url}/v2/${REPOSITORY}/blobs/${digest}`);
  expect(served.bytes).toEqual(blob.bytes);
  expect(await third.stop()).toBe(0);
});

test('npm start forwards SIGTERM: the upload is completed, the server ends cleanly, and no process remains', async () => {
  const folder = temporaryFolder('npm');
  const settings = { HOST: '127.0.0.1', PORT: '0', STORAGE_PATH: join(folder, 'data'), LOG_FORMAT: 'json' };
  const log = join(folder, 'log');
  const npm = Bun.spawn(['npm', 'start'], {
    cwd: projectRoot,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...settings },
    stdin: 'ignore',
    stdout: Bun.file(log),
    stderr: 'inherit',
  });
  const listens = (): RegExpExecArray | null =>
    /"address":"(http:[^"]+)"[^\n]*Marina is listening/.exec(readFileSync(log, 'utf8'));
  await until(() => listens() !== null);
  const url = listens()?.[1] ?? '';
  const port = Number(new URL(url).port);
  const blob = randomBlob(2_000_000);
  const location = await startUpload({ url });
  const upload = await beginPatch({ port, dataPath: settings.STORAGE_PATH }, location, blob, 1_000_000);

  npm.kill('SIGTERM');
  await until(() => isRefused(port));
  upload.send(blob.bytes.subarray(1_000_000));
  expect((await upload.answer())?.status).toBe(202);
  await until(() => readFileSync(log, 'utf8').includes('"msg":"stopped"'));
  expect(await within(SOON_MS, npm.exited)).toBeDefined();
  // A remaining server would still hold the folder.
  const next = await startServer({ STORAGE_PATH: settings.STORAGE_PATH });
  const { headers } = await expectStatus(204, next.url + location);
  expect(headers.get('range')).toBe('0-1999999');
  expect(await next.stop()).toBe(0);
});
