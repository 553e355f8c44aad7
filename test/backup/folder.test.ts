// Backups of a registry on a folder, beside the server that has it, into another folder.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { basic, secretFrom, statusOf } from '../access/robots.ts';
import { flipByte, fsck, linesOf, marina, objectPath } from '../cli/marina.ts';
import { run } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, image, index, pushImage, pushManifest, randomBlob } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { everythingOf } from './registry-copy.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const folder = temporaryFolder('backup');
const STORAGE_PATH = join(folder, 'data');
const ACCESS_FILE = join(folder, 'access.yaml');
const PLACE = join(folder, 'backups');
const REPOSITORIES = ['team/app', 'team/other', 'library/base'];
let server: Server;
let secret: string;

beforeAll(async () => {
  writeFileSync(
    ACCESS_FILE,
    `rules: [{ who: 'robot:ci', repositories: ['**'], actions: [pull] }, { who: anonymous, repositories: ['**'], actions: [pull, push, delete] }]\n`,
  );
  server = await startServer({ ACCESS_FILE, STORAGE_PATH });
  secret = await secretFrom({ STORAGE_PATH }, 'create', 'ci');
  const { url } = server;
  const shared = randomBlob(3_000_000);
  const base = image({ layers: [shared] });
  await pushImage(url, 'library/base', base, 'v1');
  const app = image({ layers: [shared, randomBlob(5_000)] });
  await pushImage(url, 'team/app', app, 'latest');
  await pushImage(url, 'team/app', image(), 'latest');
  await pushImage(url, 'team/app', app, 'latest');
  await pushImage(url, 'team/app', image({ subject: app.descriptor, artifactType: 'application/x.signature' }));
  const parts = [image(), image()];
  for (const part of parts) await pushImage(url, 'team/other', part);
  await pushManifest(url, 'team/other', index(parts), 'multi');
});

async function backup(...args: readonly string[]): ReturnType<typeof marina> {
  return await marina(STORAGE_PATH, 'backup', ...args);
}

/** The digests of its blobs, in hex. */
function blobsIn(place: string): readonly string[] {
  return readdirSync(join(place, 'blobs', 'sha256')).flatMap((shelf) =>
    readdirSync(join(place, 'blobs', 'sha256', shelf)),
  );
}

function blobIn(place: string, hex: string): string {
  return join(place, 'blobs', 'sha256', hex.slice(0, 2), hex);
}

async function restored(place: string, ...args: readonly string[]): Promise<string> {
  const target = join(temporaryFolder('restored'), 'data');
  expect(await backup('restore', place, '--to', target, ...args)).toMatchObject({ code: 0, stderr: '' });
  expect(await fsck(target, '--scrub')).toMatchObject({ code: 0, faults: [] });
  return target;
}

test('a restored registry has the same tags, referrers, bytes, history and robots, and a new identity', async () => {
  const made = await backup(PLACE, '--name', 'first', '--json');
  expect(made).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(made.stdout)).toMatchObject({ name: 'first', repositories: 3 });
  expect((await backup('verify', PLACE)).stdout).toContain('no faults');
  expect((await marina(STORAGE_PATH, 'pins')).stdout).toBe('there are no pins\n');
  const target = await restored(PLACE);
  const other = await startServer({ ACCESS_FILE, STORAGE_PATH: target });
  const before = await everythingOf(server.url, STORAGE_PATH, REPOSITORIES);
  expect(Object.keys(before).length).toBeGreaterThan(12);
  expect(await everythingOf(other.url, target, REPOSITORIES)).toEqual(before);
  expect(await statusOf(`${other.url}/v2/team/app/tags/list`, basic('ci', secret))).toBe(200);
  expect(await statusOf(`${other.url}/v2/team/app/tags/list`, basic('ci', `${secret.slice(0, -1)}!`))).toBe(401);
  // A robot that the restored registry creates works beside those of the backup, and both get new secrets.
  const fresh = await secretFrom({ STORAGE_PATH: target }, 'rotate', 'ci');
  expect(await statusOf(`${other.url}/v2/team/app/tags/list`, basic('ci', fresh))).toBe(200);
  // It goes on where the backup ended.
  await pushImage(other.url, 'team/app', image(), 'new');
  expect((await marina(target, 'backup', PLACE)).stderr).toContain('has backups of another registry');
  expect((await marina(target, 'backup', join(folder, 'others'))).code).toBe(0);
  await other.stop();
});

async function changesAfter(url: string, cursor: string): Promise<{ readonly status: number; readonly text: string }> {
  const headers = basic('ci', secret);
  const response = await fetch(`${url}/api/v1/changes?since=${cursor}`, {
    headers,
    signal: AbortSignal.timeout(60_000),
  });
  return { status: response.status, text: await response.text() };
}

test('the second backup copies only what is new, and each can be restored', async () => {
  const { cursor } = JSON.parse((await changesAfter(server.url, 'now')).text) as { readonly cursor: string };
  const before = await everythingOf(server.url, STORAGE_PATH, REPOSITORIES);
  await pushImage(server.url, 'team/app', image(), 'later');
  const made = await backup(PLACE, '--name', 'second', '--json');
  expect(JSON.parse(made.stdout)).toMatchObject({ added: { objects: 3 } });
  const { added } = JSON.parse(made.stdout) as { readonly added: { readonly slots: number } };
  // Of the repository, and notes.
  expect(added.slots).toBeLessThan(12);
  expect((await backup('list', PLACE, '--json')).lines.map((line) => JSON.parse(line).name)).toEqual([
    'first',
    'second',
  ]);
  const target = await restored(PLACE, '--name', 'first');
  const other = await startServer({ ACCESS_FILE, STORAGE_PATH: target });
  expect(await everythingOf(other.url, target, REPOSITORIES)).toEqual(before);
  // Another registry: cursors of the feed mean nothing there.
  expect((await changesAfter(other.url, cursor)).status).toBe(400);
  await other.stop();
  const newest = await restored(PLACE, '--same-store');
  const same = await startServer({ ACCESS_FILE, STORAGE_PATH: newest });
  await eventually(async () => expect((await changesAfter(same.url, cursor)).text).toContain('"tag":"later"'), 30_000);
  expect((await changesAfter(same.url, cursor)).status).toBe(200);
  await same.stop();
  expect(await Bun.file(join(newest, 'format')).text()).toBe(await Bun.file(join(STORAGE_PATH, 'format')).text());
});

test('a restore as of a time has what was there then', async () => {
  const moment = new Date().toISOString();
  await Bun.sleep(1_100);
  await expectStatus(202, `${server.url}/v2/team/other/manifests/multi`, { method: 'DELETE' });
  await backup(PLACE, '--name', 'third');
  const then = await restored(PLACE, '--at', moment);
  expect((await marina(then, 'log', 'team/other')).stdout).not.toContain('tag.deleted');
  const late = await backup('restore', PLACE, '--to', join(folder, 'late'), '--at', '2099-01-01');
  expect(late).toMatchObject({ code: 2, stderr: expect.stringContaining('--at is later') });
});

test('damage of a backup is named: everything else is restored, and the restore ends once the bytes are right', async () => {
  const damaged = join(folder, 'damaged');
  cpSync(PLACE, damaged, { recursive: true });
  const [hex = expect.unreachable(), other = expect.unreachable()] = blobsIn(damaged);
  flipByte(blobIn(damaged, hex), 0);
  rmSync(blobIn(damaged, other));
  const found = await backup('verify', damaged, '--json');
  expect(found.code).toBe(1);
  const faults = found.lines.map((line) => JSON.parse(line)).filter(({ type }) => type === 'fault');
  expect(faults.map(({ fault, digest }) => `${fault} ${digest}`).sort()).toEqual([
    `blob-damaged sha256:${hex}`,
    `blob-missing sha256:${other}`,
  ]);
  const target = join(folder, 'not-ended');
  const incomplete = await backup('restore', damaged, '--to', target);
  expect(incomplete).toMatchObject({ code: 1, stderr: '' });
  expect(incomplete.stdout).toContain('--accept-damage');
  expect(incomplete.stdout).toContain(`sha256:${hex}: its bytes do not match the digest`);
  expect(incomplete.stdout).toContain(`sha256:${other}: its bytes are missing`);
  // No server serves what is not whole.
  expect((await marina(target, 'log', 'team/app')).stderr).toContain('a backup is being restored to this store');
  // The same restore continues, once the bytes are right again.
  for (const each of [hex, other]) cpSync(blobIn(PLACE, each), blobIn(damaged, each));
  const resumed = await backup('restore', damaged, '--to', target, '--json');
  expect(JSON.parse(resumed.stdout)).toMatchObject({ resumed: true, lacking: 0, damages: [] });
  expect(await fsck(target, '--scrub')).toMatchObject({ code: 0, faults: [] });
  expect(await backup('restore', damaged, '--to', target)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('is not empty'),
  });
});

test('with --accept-damage a store is made without what the backup lacks, and bytes from another repository mend it', async () => {
  const damaged = join(folder, 'accepted');
  cpSync(PLACE, damaged, { recursive: true });
  const pushed = image({ layers: [randomBlob(2_000)] });
  await pushImage(server.url, 'team/lost', pushed, 'v1');
  expect((await backup(damaged)).code).toBe(0);
  const { digest } = pushed.blobs.at(-1)?.descriptor ?? expect.unreachable();
  flipByte(blobIn(damaged, digest.slice('sha256:'.length)), 0);
  const target = join(folder, 'without');
  const made = await backup('restore', damaged, '--to', target, '--accept-damage', '--json');
  expect(made).toMatchObject({ code: 1, stderr: '' });
  expect(JSON.parse(made.stdout)).toMatchObject({
    lacking: 1,
    damages: [{ repo: 'team/lost', digest, problem: 'damaged' }],
  });
  expect((await fsck(target, '--scrub')).faults).toMatchObject([{ repo: 'team/lost', digest }]);
  const other = await startServer({ ACCESS_FILE, STORAGE_PATH: target });
  await expectStatus(200, `${other.url}/v2/team/app/manifests/latest`);
  await pushImage(other.url, 'team/again', pushed, 'v1');
  expect((await fsck(target, '--repair')).code).toBe(0);
  const { bytes } = await expectStatus(200, `${other.url}/v2/team/lost/blobs/${digest}`);
  expect(bytes.length).toBe(2_000);
  await other.stop();
  expect(await fsck(target, '--scrub')).toMatchObject({ code: 0, faults: [] });
});

test('damage of the registry is named, and leaves no backup', async () => {
  const pushed = image();
  await pushImage(server.url, 'team/damaged', pushed, 'v1');
  const [blob = expect.unreachable()] = pushed.blobs;
  const path = await objectPath(STORAGE_PATH, 'team/damaged', blob.descriptor.digest);
  flipByte(path, 0);
  const made = await backup(PLACE, '--name', 'damaged');
  expect(made).toMatchObject({ code: 1, stdout: expect.stringContaining(`team/damaged ${blob.descriptor.digest}`) });
  expect((await backup('list', PLACE)).stdout).not.toContain('damaged');
  flipByte(path, 0);
  expect((await backup(PLACE, '--name', 'damaged')).code).toBe(0);
});

test('a place that cannot be used is refused in one line', async () => {
  const other = join(folder, 'full');
  mkdirSync(other);
  writeFileSync(join(other, 'something'), 'else');
  const onlyTemporary = join(folder, 'temporary');
  mkdirSync(join(onlyTemporary, 'tmp', 'session'), { recursive: true });
  for (const [place, reason] of [
    [other, 'has other content and no backups'],
    [onlyTemporary, 'has other content and no backups'],
    [STORAGE_PATH, 'overlaps with'],
    [join(STORAGE_PATH, 'backups'), 'overlaps with'],
    [folder, 'overlaps with'],
    ['https://example.com/x', 'is expected'],
  ] as const) {
    const { code, stdout, stderr } = await backup(place);
    expect([code, stdout, linesOf(stderr)]).toEqual([2, '', [expect.stringContaining(reason)]]);
  }
  expect((await backup('verify', other)).stderr).toContain('is no place with backups');
  for (const target of [other, onlyTemporary])
    expect((await backup('restore', PLACE, '--to', target)).stderr).toContain('is not empty');
  expect(readdirSync(join(onlyTemporary, 'tmp'))).toEqual(['session']);
  expect((await backup(PLACE, '--name', 'Not A Name')).code).toBe(2);
  expect((await backup('verify', PLACE, '--sample', '500%')).code).toBe(2);
  expect((await backup('restore', PLACE, '--to', join(folder, 'x'), '--name', 'none')).code).toBe(1);
});

test('a backup works while the registry is read-only, and without a server', async () => {
  expect((await marina(STORAGE_PATH, 'read-only', 'on')).code).toBe(0);
  expect((await backup(PLACE, '--name', 'read-only')).code).toBe(0);
  expect((await marina(STORAGE_PATH, 'read-only', 'off')).code).toBe(0);
  await server.stop();
  expect((await backup(PLACE, '--name', 'offline')).code).toBe(0);
  server = await startServer({ ACCESS_FILE, STORAGE_PATH });
  expect((await backup('verify', PLACE, '--sample', '5%')).code).toBe(0);
});

test('a place that fills up gets no backup, and the next run goes on with what was copied', async () => {
  if (process.getuid?.() !== 0) throw new Error('this test mounts a small file system: run it as root');
  const place = join(folder, 'small');
  mkdirSync(place);
  await run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'marina-test', place]);
  try {
    const { code, stdout, stderr } = await backup(place, '--name', 'full');
    expect([code, stdout, linesOf(stderr)]).toEqual([2, '', [expect.stringContaining(`${place} has no space left`)]]);
    expect((await backup('list', place)).stdout).toBe('');
    // A script that verifies regularly must notice that there is nothing to restore.
    const nothing = await backup('verify', place);
    expect([nothing.code, nothing.stdout, nothing.stderr]).toEqual([1, '', `marina: ${place} has no whole backup\n`]);
    expect((await marina(STORAGE_PATH, 'pins')).stdout).toBe('there are no pins\n');
    await run(['mount', '-o', 'remount,size=50m', place]);
    expect((await backup(place, '--name', 'full')).code).toBe(0);
    expect((await backup('verify', place)).code).toBe(0);
  } finally {
    await run(['umount', place]);
  }
});

test('only one backup at a time is made into a folder', async () => {
  const place = join(folder, 'twice');
  const ended = await Promise.all([backup(place, '--name', 'one'), backup(place, '--name', 'two')]);
  const refused = ended.filter(({ code }) => code !== 0);
  expect(refused.length).toBeLessThan(2);
  for (const { stderr } of refused) expect(stderr).toContain('is in use by another process of Marina');
  expect((await backup('verify', place)).code).toBe(0);
});
