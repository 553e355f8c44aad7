// A really full disk: a small file system whose bytes or inodes pushes use up.
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attempt, run, tools } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { type Content, expectStatus, type Image, image, pushImage, randomBlob } from '../support/oci.ts';
import { cleanUp, projectRoot, type Server, startServer } from '../support/server.ts';
import { openUpload } from './site.ts';

const MIB = 1024 * 1024;
const REPO = 'full/disk';
const ROOM_WITHIN_MS = 60_000;
const AHEAD_WITHIN_MS = 60_000;

/** Acknowledged content, which the registry must never lose. */
interface Acknowledged {
  readonly blobs: Content[];
  readonly images: { readonly tag: string; readonly image: Image }[];
}

const mounts: string[] = [];
const disks: string[] = [];
let server: Server;

beforeAll(() => {
  if (process.getuid?.() !== 0) throw new Error('this test mounts small file systems: run it as root');
});
afterEach(async () => {
  await cleanUp();
  for (const folder of mounts.splice(0)) {
    await run(['umount', folder]);
    rmdirSync(folder);
  }
  for (const path of disks.splice(0)) rmSync(path);
});
afterAll(cleanUp);

/** Mounts a separate file system of at most this size. */
async function mountSmall(...how: string[]): Promise<string> {
  // Not from temporaryFolder: those folders are removed while this is still mounted.
  const folder = mkdtempSync(join(tmpdir(), 'marina-full-disk-'));
  await run(['mount', ...how, folder]);
  mounts.push(folder);
  return folder;
}

const tmpfs = (options: string): Promise<string> => mountSmall('-t', 'tmpfs', '-o', options, 'marina-test');

/** In a file whose blocks are allocated from the start, so that the file system around it cannot be the full one. */
async function ext4(size: number): Promise<string> {
  const path = `${mkdtempSync(join(tmpdir(), 'marina-full-disk-'))}.ext4`;
  rmdirSync(path.slice(0, -'.ext4'.length));
  writeFileSync(path, new Uint8Array(size));
  disks.push(path);
  const [makeFileSystem] = await tools('mkfs.ext4');
  await run([makeFileSystem, '-q', '-F', '-m', '0', '-b', '4096', '-J', 'size=4', '-N', '4096', path]);
  return await mountSmall('-o', 'loop', path);
}

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

async function send(method: string, path: string, body: Uint8Array | string = ''): Promise<Reply> {
  const response = await fetch(server.url + path, {
    method,
    body,
    keepalive: false,
    signal: AbortSignal.timeout(60_000),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** The whole blob in one request. */
function push(blob: Content): Promise<Reply> {
  return send('POST', `/v2/${REPO}/blobs/uploads/?digest=${blob.descriptor.digest}`, blob.bytes);
}

async function putManifest(content: Content, tag: string): Promise<Reply> {
  const headers = { 'content-type': content.descriptor.mediaType };
  const target = `${server.url}/v2/${REPO}/manifests/${tag}`;
  const response = await fetch(target, { method: 'PUT', headers, body: content.bytes });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** The response says that the disk is full, and when to retry. */
function expectFull({ status, headers, text }: Reply): void {
  expect(`${status} ${text}`).toStartWith('507 ');
  expect(JSON.parse(text)).toEqual({
    errors: [{ code: 'UNAVAILABLE', message: expect.stringContaining('no room left') }],
  });
  expect(headers.get('content-type')).toBe('application/json');
  expect(headers.get('retry-after')).toMatch(/^\d+$/);
  expect(text).not.toContain(server.dataPath);
}

/** Pushes blobs of this size until there is no space for another one. */
async function fill(size: number, acknowledged: Acknowledged): Promise<void> {
  for (let pushed = 0; pushed < 10_000; pushed++) {
    const blob = randomBlob(size);
    const reply = await push(blob);
    if (reply.status !== 201) return expectFull(reply);
    acknowledged.blobs.push(blob);
  }
  throw new Error('the disk does not fill up');
}

/**
 * Fills the disk completely, until no space is freed on its own: the write-ahead log frees its files once the objects in them
 * are durable.
 */
async function fillUp(acknowledged: Acknowledged): Promise<void> {
  for (let inVain = 0; inVain < 2; ) {
    const before = acknowledged.blobs.length;
    for (const size of [3 * MIB, 300_000, 20_000, 1_000]) {
      await fill(size, acknowledged);
      // ext4 reuses freed blocks, such as those of the push that was just refused, only after its next commit.
      await run(['sync', '-f', server.dataPath]);
    }
    await eventually(() => expect(bytesAhead()).toBe(0), AHEAD_WITHIN_MS);
    inVain = acknowledged.blobs.length > before ? 0 : inVain + 1;
  }
}

/** The bytes in the write-ahead log. */
function bytesAhead(): number {
  const folder = join(server.dataPath, 'wal');
  if (!existsSync(folder)) return 0;
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

async function expectAll({ blobs, images }: Acknowledged): Promise<void> {
  for (const { bytes, descriptor } of [...blobs, ...images.flatMap(({ image: { blobs: own } }) => own)]) {
    const served = await expectStatus(200, `${server.url}/v2/${REPO}/blobs/${descriptor.digest}`);
    expect(Buffer.compare(served.bytes, bytes)).toBe(0);
  }
  for (const { tag, image: each } of images) {
    for (const reference of [tag, each.descriptor.digest]) {
      const served = await expectStatus(200, `${server.url}/v2/${REPO}/manifests/${reference}`);
      expect(served.bytes).toEqual(each.bytes);
    }
  }
}

async function pushTagged(count: number, acknowledged: Acknowledged): Promise<void> {
  for (let i = 0; i < count; i++) {
    const pushed = { tag: `v${i}`, image: image() };
    await pushImage(server.url, REPO, pushed.image, pushed.tag);
    acknowledged.images.push(pushed);
  }
}

/** Repeats a push until it is accepted: the registry may need a moment to notice the free space. */
async function untilRoom(blob: Content): Promise<void> {
  for (const deadline = Date.now() + ROOM_WITHIN_MS; ; await Bun.sleep(100)) {
    const reply = await push(blob);
    if (reply.status === 201) return;
    expectFull(reply);
    if (Date.now() > deadline)
      throw new Error(`no push was accepted within ${ROOM_WITHIN_MS} ms although there is space`);
  }
}

// There is no write-ahead log on a tmpfs.
test.each([
  ['a tmpfs', false, '1', () => tmpfs('size=24m')],
  ['an ext4', true, '1', () => ext4(40 * MIB)],
  ['a tmpfs that four threads serve', false, '4', () => tmpfs('size=24m')],
  ['an ext4 that four threads serve', true, '4', () => ext4(40 * MIB)],
] as const)(
  '%s without free bytes: writes are refused, nothing is lost, pulls and deletes continue, and so do pushes once there is space',
  async (_, isLogged, threads, mount) => {
    const folder = await mount();
    const settings = { STORAGE_PATH: join(folder, 'data'), THREADS: threads };
    const filler = join(folder, 'filler');
    writeFileSync(filler, new Uint8Array(6 * MIB));
    server = await startServer(settings);
    const acknowledged: Acknowledged = { blobs: [], images: [] };
    await pushTagged(12, acknowledged);
    expect(existsSync(join(settings.STORAGE_PATH, 'wal'))).toBe(isLogged);

    const large = randomBlob(5 * MIB);
    const upload = await openUpload(server, REPO);
    expect((await send('PATCH', upload, large.bytes.subarray(0, MIB))).status).toBe(202);

    await fillUp(acknowledged);

    expectFull(await send('PATCH', upload, large.bytes.subarray(MIB)));
    expectFull(await send('PUT', `${upload}?digest=${large.descriptor.digest}`, large.bytes.subarray(MIB)));
    const other = image({ layers: acknowledged.blobs.slice(0, 1), config: acknowledged.blobs[1] ?? randomBlob(1) });
    expectFull(await putManifest(other, 'other'));
    await expectAll(acknowledged);

    // Every delete is a write to the log; pushes in between must not take the space that is reserved for it.
    while (acknowledged.images.length > 6) {
      const deleted = acknowledged.images.pop();
      expect((await send('DELETE', `/v2/${REPO}/manifests/${deleted?.tag}`)).status).toBe(202);
      expectFull(await push(randomBlob(3 * MIB)));
      expectFull(await push(randomBlob(20_000)));
      expect((await send('DELETE', `/v2/${REPO}/manifests/${deleted?.image.descriptor.digest}`)).status).toBe(202);
      expectFull(await send('PATCH', upload, large.bytes.subarray(MIB)));
    }
    await expectAll(acknowledged);

    // The server starts on a full disk, and then on one without space even for the log.
    await server.kill();
    server = await startServer(settings);
    await expectAll(acknowledged);
    expectFull(await push(randomBlob(MIB)));
    const last = acknowledged.images.pop();
    expect((await send('DELETE', `/v2/${REPO}/manifests/${last?.tag}`)).status).toBe(202);
    await server.kill();
    const rest: string[] = [];
    const takeRest = async (): Promise<void> => {
      rest.push(join(folder, `rest-${rest.length}`));
      await attempt(['dd', 'if=/dev/zero', `of=${rest.at(-1)}`, 'bs=4k']);
    };
    await takeRest();
    server = await startServer(settings);
    await expectAll(acknowledged);
    expectFull(await push(randomBlob(1_000)));
    // The start frees what the write-ahead log held, and a delete may use that: it is accepted until that space is taken, too.
    const remove = () => send('DELETE', `/v2/${REPO}/manifests/${acknowledged.images[0]?.tag}`);
    let removed = await remove();
    for (; removed.status === 202; removed = await remove()) {
      acknowledged.images.shift();
      await takeRest();
    }
    expectFull(removed);
    await expectAll(acknowledged);

    for (const path of rest) rmSync(path);
    rmSync(filler);
    const again = randomBlob(300_000);
    await untilRoom(again);
    acknowledged.blobs.push(again);
    const { headers } = await expectStatus(204, server.url + upload);
    const offset = Number(headers.get('range')?.split('-')[1]) + 1;
    expect(offset).toBeWithin(MIB, large.bytes.length + 1);
    const closed = await send('PUT', `${upload}?digest=${large.descriptor.digest}`, large.bytes.subarray(offset));
    expect(`${closed.status} ${closed.text}`).toBe('201 ');
    acknowledged.blobs.push(large);
    const pushed = { tag: 'after', image: image() };
    await pushImage(server.url, REPO, pushed.image, pushed.tag);
    acknowledged.images.push(pushed);

    expect(await server.stop()).toBe(0);
    await run([join(projectRoot, 'node_modules/.bin/bun'), 'src/cli/main.ts', 'fsck', '--scrub'], { env: settings });
    server = await startServer(settings);
    await expectAll(acknowledged);
  },
);

test('no free inodes: writes are refused, nothing is lost, pulls continue, and so do pushes once there is space', async () => {
  const folder = await tmpfs('size=24m,nr_inodes=3024');
  const settings = { STORAGE_PATH: join(folder, 'data') };
  const fillers = Array.from({ length: 20 }, (_, i) => join(folder, `filler-${i}`));
  for (const path of fillers) writeFileSync(path, '');
  server = await startServer(settings);
  const acknowledged: Acknowledged = { blobs: [], images: [] };
  await pushTagged(4, acknowledged);
  await fill(1_000, acknowledged);
  expectFull(await push(randomBlob(600_000)));
  const upload = await openUpload(server, REPO);
  expectFull(await send('PATCH', upload, 'hello'));
  expectFull(await send('PUT', `${upload}?digest=${randomBlob(1).descriptor.digest}`, 'x'.repeat(600_000)));
  await expectAll(acknowledged);
  for (const path of fillers) rmSync(path);
  const again = randomBlob(1_000);
  await untilRoom(again);
  acknowledged.blobs.push(again);
  await server.kill();
  server = await startServer(settings);
  await expectAll(acknowledged);
});
