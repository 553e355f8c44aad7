// Collection as an operator uses it: a real server on a real folder, with commands beside it and without it.
import { afterAll, expect, test } from 'bun:test';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { CollectionReport } from '../../src/collection/report.ts';
import { fsck, marinaCommand } from '../cli/marina.ts';
import { attempt } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import {
  abandonUpload,
  content,
  expectStatus,
  type Image,
  image,
  mediaTypes,
  pushBlob,
  pushImage,
  pushWithinGrace,
  randomBlob,
} from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';

afterAll(cleanUp);

const GRACE_MS = 4_000;
const QUICK = { GC_GRACE: `${GRACE_MS}ms`, UPLOAD_EXPIRY: '30s', GC_INTERVAL: '500ms' };

interface Line {
  readonly type: string;
  readonly id?: string;
  readonly reason?: string;
  readonly repo?: string;
  readonly digest?: string;
  readonly size?: number;
}

async function gc(dataPath: string, env: Readonly<Record<string, string>>, ...args: readonly string[]) {
  const { code, stdout, stderr } = await attempt([...marinaCommand, ...args], {
    env: { STORAGE_PATH: dataPath, ...env },
  });
  const lines = new TextDecoder()
    .decode(stdout)
    .split('\n')
    .filter((line) => line !== '');
  return { code, lines, stderr, parsed: () => lines.map((line): Line => JSON.parse(line)) };
}

/** The bytes of all objects. */
function sizeOf(dataPath: string): number {
  const files = readdirSync(join(dataPath, 'data'), { recursive: true, withFileTypes: true });
  return files
    .filter((each) => each.isFile())
    .reduce((sum, each) => sum + statSync(join(each.parentPath, each.name)).size, 0);
}

async function deleteImage({ url }: Server, repo: string, pushed: Image): Promise<void> {
  await expectStatus(202, `${url}/v2/${repo}/manifests/${pushed.descriptor.digest}`, { method: 'DELETE' });
}

async function checkPulls({ url }: Server, repo: string, pushed: Image): Promise<void> {
  const manifest = await fetch(`${url}/v2/${repo}/manifests/${pushed.descriptor.digest}`);
  expect([repo, manifest.status]).toEqual([repo, 200]);
  expect(Buffer.compare(await manifest.bytes(), pushed.bytes)).toBe(0);
  for (const { descriptor, bytes } of pushed.blobs) {
    const blob = await fetch(`${url}/v2/${repo}/blobs/${descriptor.digest}`);
    expect(blob.status).toBe(200);
    expect(Buffer.compare(await blob.bytes(), bytes)).toBe(0);
  }
}

test('while clients push and delete, every acknowledged image can be pulled, and the store shrinks to its live set', async () => {
  const server = await startServer(QUICK);
  const { url, dataPath } = server;
  const shared = Array.from({ length: 3 }, () => randomBlob(40_000));
  const live: [string, Image][] = [];
  const config = () => content(new TextEncoder().encode(JSON.stringify({ at: Math.random() })), mediaTypes.config);
  const client = async (number: number): Promise<void> => {
    const repo = `team/app-${number % 3}`;
    for (let round = 0; round < 12; round++) {
      const layers = [shared[(number + round) % 3] ?? randomBlob(10), randomBlob(30_000)];
      const pushed = image({ config: config(), layers });
      await pushWithinGrace(GRACE_MS, () => pushImage(url, repo, pushed, `t${number}-${round}`));
      if (round % 3 === 0) live.push([repo, pushed]);
      else await deleteImage(server, repo, pushed);
      await Bun.sleep(150);
    }
  };
  await Promise.all([0, 1, 2, 3].map(client));
  for (const [repo, pushed] of live) await checkPulls(server, repo, pushed);

  // Unlinking, then the grace, then deleting.
  const liveBytes = new Map(
    live.flatMap(([, pushed]) => [pushed, ...pushed.blobs].map((each) => [each.descriptor.digest, each.bytes.length])),
  );
  const expected = [...liveBytes.values()].reduce((sum, size) => sum + size, 0);
  await eventually(async () => {
    await gc(dataPath, {}, 'gc', '--wait', '--json');
    expect(sizeOf(dataPath)).toBeLessThanOrEqual(expected * 1.15);
  });
  for (const [repo, pushed] of live) await checkPulls(server, repo, pushed);
  // Of the last run, which may have begun while there was some.
  await eventually(async () => {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toMatch(/^marina_collection_oldest_garbage_seconds 0$/m);
  });
  await eventually(() => expect(server.logs()).toContain('garbage was collected'));
  expect((await fsck(dataPath, '--scrub')).faults).toEqual([]);
});

test('gc shows what it would free and why; it uses a running server, and works alone without one', async () => {
  const dataPath = temporaryFolder('collected');
  const settings = { GC_GRACE: '5s', GC_ENABLED: 'false', GC_INTERVAL: '200ms' };
  let server = await startServer({ STORAGE_PATH: dataPath, ...settings });
  const [kept, gone] = [image(), image()];
  await pushImage(server.url, 'team/kept', kept, 'v1');
  await pushImage(server.url, 'team/gone', gone, 'v1');
  const loose = randomBlob(5_000);
  await pushBlob(server.url, 'team/kept', loose);
  const nothing = await gc(dataPath, {}, 'rm', 'team/never');
  expect([nothing.code, nothing.stderr]).toEqual([1, expect.stringContaining('there is no repository team/never')]);
  expect((await gc(dataPath, {}, 'rm', 'team/gone')).lines).toEqual([expect.stringContaining('team/gone was deleted')]);
  await expectStatus(404, `${server.url}/v2/team/gone/tags/list`);
  await Bun.sleep(5_200);

  const before = sizeOf(dataPath);
  const dry = await gc(dataPath, settings, 'gc', '--dry-run', '--json');
  expect(dry.code).toBe(0);
  const lines = dry.parsed();
  expect(lines.filter(({ type }) => type === 'blob')).toEqual([
    expect.objectContaining({
      repo: 'team/kept',
      digest: loose.descriptor.digest,
      size: 5_000,
      reason: 'unreferenced',
    }),
  ]);
  const objects = lines.filter(({ type }) => type === 'object');
  expect(objects.map(({ size, reason }) => [size, reason]).sort()).toEqual(
    [gone, ...gone.blobs].map(({ bytes }) => [bytes.length, 'unlinked']).sort(),
  );
  expect([sizeOf(dataPath), await Bun.file(join(dataPath, 'gc', 'report')).exists()]).toEqual([before, false]);
  expect((await gc(dataPath, settings, 'gc', '--dry-run')).lines.at(-1)).toContain('would be deleted');

  // The server's settings apply.
  const asked = await gc(dataPath, {}, 'gc', '--wait', '--json');
  expect([asked.code, asked.stderr]).toEqual([0, '']);
  const report = (run: typeof asked): CollectionReport => JSON.parse(run.lines.at(-1) ?? '{}');
  const garbage = objects.reduce((sum, { size = 0 }) => sum + size, 0);
  expect(report(asked)).toMatchObject({ freed: { objects: objects.length, bytes: garbage }, unlinked: 1, failures: 0 });
  expect(sizeOf(dataPath)).toBe(before - garbage);
  expect(await server.stop()).toBe(0);

  await Bun.sleep(5_200);
  const alone = await gc(dataPath, settings, 'gc');
  expect([alone.code, alone.stderr]).toEqual([0, '']);
  expect(alone.lines).toEqual([expect.stringContaining('1 object of 4.9 KiB freed')]);
  server = await startServer({ STORAGE_PATH: dataPath, ...settings });
  await checkPulls(server, 'team/kept', kept);
  await expectStatus(404, `${server.url}/v2/team/kept/blobs/${loose.descriptor.digest}`);
  // Freed content can be pushed again at once.
  await pushImage(server.url, 'team/gone', gone, 'v1');
  await checkPulls(server, 'team/gone', gone);
  expect((await gc(dataPath, {}, 'gc')).lines).toEqual([expect.stringContaining('collection requested')]);
});

test('gc removes uploads older than UPLOAD_EXPIRY, beside a server and without one; a dry run only lists them', async () => {
  const dataPath = temporaryFolder('expired-uploads');
  // Longer than an upload takes on a busy machine.
  const settings = { UPLOAD_EXPIRY: '4s', GC_ENABLED: 'false' };
  const server = await startServer({ STORAGE_PATH: dataPath, ...settings });
  const staged = (): string[] => readdirSync(join(dataPath, 'uploads'));
  await abandonUpload(server.url, 'team/app', 3_000);
  await abandonUpload(server.url, 'team/app', 4_000);
  await Bun.sleep(4_200);
  const ids = staged().sort();
  expect(ids).toHaveLength(2);

  const dry = await gc(dataPath, settings, 'gc', '--dry-run', '--json');
  expect([dry.code, dry.stderr]).toEqual([0, '']);
  const uploads = dry.parsed().filter(({ type }) => type === 'upload');
  expect(uploads.map(({ id }) => id).sort()).toEqual(ids);
  expect(uploads.map(({ size }) => size).sort()).toEqual([3_000, 4_000]);
  expect(dry.parsed().at(-1)).toMatchObject({ type: 'summary', uploads: { sessions: 2, bytes: 7_000 } });
  const readable = await gc(dataPath, settings, 'gc', '--dry-run');
  expect(readable.lines.at(-1)).toContain('2 expired uploads of 6.8 KiB ended');
  expect(staged().sort()).toEqual(ids);

  const asked = await gc(dataPath, {}, 'gc', '--wait', '--json');
  expect([asked.code, asked.stderr]).toEqual([0, '']);
  expect(asked.parsed().at(-1)).toMatchObject({ uploads: { sessions: 2, bytes: 7_000 }, failures: 0 });
  expect(staged()).toEqual([]);

  await abandonUpload(server.url, 'team/app', 5_000);
  expect(await server.stop()).toBe(0);
  await Bun.sleep(4_200);
  expect(staged()).toHaveLength(1);
  const alone = await gc(dataPath, settings, 'gc');
  expect([alone.code, alone.stderr]).toEqual([0, '']);
  expect(alone.lines).toEqual([expect.stringContaining('1 expired upload of 4.9 KiB ended')]);
  expect(staged()).toEqual([]);
});

test('DELETE_ENABLED=false answers 405 for tags, manifests and blobs, and lets uploads be cancelled', async () => {
  const server = await startServer({ DELETE_ENABLED: 'false' });
  const { url } = server;
  const pushed = image();
  await pushImage(url, 'team/app', pushed, 'v1');
  const blob = randomBlob(10);
  await pushBlob(url, 'team/app', blob);
  for (const path of [
    'manifests/v1',
    `manifests/${pushed.descriptor.digest}`,
    `blobs/${blob.descriptor.digest}`,
    'manifests/never',
  ]) {
    const response = await fetch(`${url}/v2/team/app/${path}`, { method: 'DELETE' });
    expect([path, response.status, response.headers.get('allow')]).toEqual([path, 405, 'GET, HEAD']);
    expect(await response.json()).toEqual({ errors: [expect.objectContaining({ code: 'UNSUPPORTED' })] });
  }
  await checkPulls(server, 'team/app', pushed);
  const begun = await fetch(`${url}/v2/team/app/blobs/uploads/`, { method: 'POST' });
  const location = new URL(begun.headers.get('location') ?? '', url);
  await expectStatus(204, location.href, { method: 'DELETE' });
});
