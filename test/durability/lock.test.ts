// One process per data folder and per port: a second one is refused and changes nothing, and kill -9 frees both.
import { afterAll, expect, test } from 'bun:test';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { attempt } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, image, pushImage, randomBlob } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';

const REPOSITORY = 'durability/lock';

afterAll(cleanUp);

function startSecond(folder: string, port = 0) {
  const env = { STORAGE_PATH: folder, HOST: '127.0.0.1', PORT: String(port), LOG_LEVEL: 'warn' };
  return attempt(['node_modules/.bin/bun', 'src/main.ts'], { env });
}

/** Every file with its bytes and its times. */
function contentsOf(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    names.map((name) => {
      const path = join(folder, name);
      const { mtimeMs, size } = statSync(path);
      const bytes = statSync(path).isFile() && size < 1_000_000 ? readFileSync(path).toString('base64') : '';
      return [name, `${mtimeMs} ${size} ${bytes}`];
    }),
  );
}

/** Once the server has written what it writes later: the feed's note of the push. */
async function settledContentsOf(folder: string): Promise<Record<string, string>> {
  let last: Record<string, string> | undefined;
  await eventually(async () => {
    const before = contentsOf(folder);
    await Bun.sleep(2_000);
    last = contentsOf(folder);
    expect(Object.keys(last)).toContain('notes/00000000000000000001');
    expect(last).toEqual(before);
  });
  return last ?? {};
}

test('a second process is refused with one line and exit code 1, and the first is not affected', async () => {
  const folder = temporaryFolder('lock');
  // The write-ahead log of the first would be removed after five seconds, which the other starts may take on a busy machine.
  const first = await startServer({ STORAGE_PATH: folder, STORAGE_WRITE_AHEAD: 'false' });
  const pushed = image();
  await pushImage(first.url, REPOSITORY, pushed, 'v1');
  const blob = randomBlob(500_000);
  const started = await expectStatus(202, `${first.url}/v2/${REPOSITORY}/blobs/uploads/`, { method: 'POST' });
  const location = first.url + started.headers.get('location');
  await expectStatus(202, location, { method: 'PATCH', body: blob.bytes.subarray(0, 200_000) });

  const before = await settledContentsOf(folder);
  const seconds = await Promise.all([startSecond(folder), startSecond(folder), startSecond(folder)]);
  for (const { code, stdout, stderr } of seconds) {
    expect(code).toBe(1);
    expect(stdout).toBeEmpty();
    expect(stderr).toMatch(/^marina: the data folder \S+ is in use by another Marina: [^\n]+\n$/);
  }
  expect(contentsOf(folder)).toEqual(before);

  await expectStatus(202, location, { method: 'PATCH', body: blob.bytes.subarray(200_000) });
  await expectStatus(201, `${location}?digest=${blob.descriptor.digest}`, { method: 'PUT' });
  await pushImage(first.url, REPOSITORY, image(), 'v2');
  const served = await expectStatus(200, `${first.url}/v2/${REPOSITORY}/manifests/v1`);
  expect(served.bytes).toEqual(pushed.bytes);
  expect(await first.stop()).toBe(0);
});

test('a second process with its own folder does not share the port of the first', async () => {
  const first = await startServer();
  const { code, stdout, stderr } = await startSecond(temporaryFolder('lock'), first.port);
  expect({ code, stdout: new TextDecoder().decode(stdout), stderr }).toEqual({
    code: 1,
    stdout: '',
    stderr: `marina: port ${first.port} is already in use: stop the program that uses it, or set PORT\n`,
  });
  expect(await first.stop()).toBe(0);
});

test('kill -9 frees the folder and the port at once, each time', async () => {
  const folder = temporaryFolder('lock');
  let server: Server | undefined;
  for (let turn = 1; turn <= 4; turn++) {
    await server?.kill();
    server = await startServer({ STORAGE_PATH: folder, ...(server && { PORT: String(server.port) }) });
    await pushImage(server.url, REPOSITORY, image(), `turn-${turn}`);
    expect((await startSecond(folder)).code).toBe(1);
  }
  const { bytes } = await expectStatus(200, `${server?.url}/v2/${REPOSITORY}/tags/list`);
  expect(new TextDecoder().decode(bytes)).toContain('["turn-1","turn-2","turn-3","turn-4"]');
  expect(await server?.stop()).toBe(0);
});
