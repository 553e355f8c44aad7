// restore, and tag --to: deleted or overwritten content is restored, beside a running server and without one.
import { afterAll, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { attempt } from '../support/command.ts';
import {
  expectStatus,
  type Image,
  image,
  index,
  pushBlob,
  pushImage,
  pushManifest,
  randomBlob,
} from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import {
  eventsOf,
  fsck,
  type LoggedEvent,
  linesOf,
  marina,
  marinaCommand,
  OPERATOR_HERE,
  objectPath,
} from './marina.ts';

afterAll(cleanUp);

const REPO = 'team/app';
const QUICK = { GC_GRACE: '1s', UPLOAD_EXPIRY: '30s', GC_ENABLED: 'false' };

/** Runs a command that must succeed. @returns its last line as JSON */
async function reportOf(dataPath: string, ...args: readonly string[]) {
  const { code, stderr, lines } = await marina(dataPath, ...args, '--json');
  expect([args.join(' '), code, stderr]).toEqual([args.join(' '), 0, '']);
  return JSON.parse(lines.at(-1) ?? '');
}

async function refused(dataPath: string, message: string, ...args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await marina(dataPath, ...args);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(linesOf(stderr)).toEqual([expect.stringContaining(message)]);
}

function digestOf({ descriptor }: { readonly descriptor: { readonly digest: string } }): string {
  return descriptor.digest;
}

async function remove({ url }: Server, what: string): Promise<void> {
  await expectStatus(202, `${url}/v2/${REPO}/${what}`, { method: 'DELETE' });
}

async function removeAll(server: Server, pushed: Image): Promise<void> {
  await remove(server, `manifests/${digestOf(pushed)}`);
  for (const blob of pushed.blobs) await remove(server, `blobs/${digestOf(blob)}`);
}

/** The whole image is served under the tag, byte for byte. */
async function checkPulls({ url }: Server, tag: string, pushed: Image): Promise<void> {
  const manifest = await fetch(`${url}/v2/${REPO}/manifests/${tag}`);
  expect([tag, manifest.status, manifest.headers.get('docker-content-digest')]).toEqual([tag, 200, digestOf(pushed)]);
  expect(Buffer.compare(await manifest.bytes(), pushed.bytes)).toBe(0);
  for (const blob of pushed.blobs) {
    const answer = await fetch(`${url}/v2/${REPO}/blobs/${digestOf(blob)}`);
    expect(answer.status).toBe(200);
    expect(Buffer.compare(await answer.bytes(), blob.bytes)).toBe(0);
  }
}

/** The events of the newest slot. */
async function newestSlot(dataPath: string): Promise<LoggedEvent['event'][]> {
  const events = await eventsOf(dataPath, REPO);
  return events.filter(({ seq }) => seq === events.at(-1)?.seq).map(({ event }) => event);
}

test('beside a running server a deleted tag, manifest, index and repository are restored whole, in one slot each', async () => {
  const server = await startServer({ STORAGE_PATH: temporaryFolder('restore') });
  const { url, dataPath } = server;
  const pushed = image();
  await pushImage(url, REPO, pushed, 'v1');
  await pushManifest(url, REPO, pushed, 'latest');

  // Only a tag.
  await remove(server, 'manifests/v1');
  expect(await reportOf(dataPath, 'restore', REPO, 'v1')).toMatchObject({
    repo: REPO,
    digest: digestOf(pushed),
    side: 'before',
    manifests: [],
    blobs: [],
    tags: [{ tag: 'v1', digest: digestOf(pushed) }],
  });
  await checkPulls(server, 'v1', pushed);
  expect(await newestSlot(dataPath)).toEqual([
    expect.objectContaining({ type: 'tag.set', tag: 'v1', actor: OPERATOR_HERE }),
  ]);
  const slots = (await eventsOf(dataPath, REPO)).length;
  const again = await marina(dataPath, 'restore', REPO, 'v1');
  expect(again.lines).toEqual([`nothing to do: ${REPO} already has the tag v1, it points to ${digestOf(pushed)}`]);
  expect(await eventsOf(dataPath, REPO)).toHaveLength(slots);

  // By digest: with unlinked blobs, and the tags that were deleted with the manifest.
  await removeAll(server, pushed);
  await expectStatus(404, `${url}/v2/${REPO}/manifests/latest`);
  const whole = await reportOf(dataPath, 'restore', REPO, digestOf(pushed));
  expect(whole.tags.map(({ tag }: { tag: string }) => tag).sort()).toEqual(['latest', 'v1']);
  expect([whole.manifests, [...whole.blobs].sort()]).toEqual([[digestOf(pushed)], pushed.blobs.map(digestOf).sort()]);
  for (const tag of ['v1', 'latest']) await checkPulls(server, tag, pushed);
  const types = (await newestSlot(dataPath)).map(({ type }) => type);
  expect(types.sort()).toEqual([...pushed.blobs.map(() => 'blob.linked'), 'manifest.put', 'tag.set', 'tag.set'].sort());

  // An index of an index: one child was deleted before it, the other one with its blobs after it.
  const [one, two] = [image(), image()];
  for (const each of [one, two]) await pushImage(url, REPO, each);
  const inner = index([one, two]);
  const outer = index([inner]);
  await pushManifest(url, REPO, inner);
  await pushManifest(url, REPO, outer, 'multi');
  await removeAll(server, one);
  await remove(server, `manifests/${digestOf(inner)}`);
  await remove(server, 'manifests/multi');
  await remove(server, `manifests/${digestOf(outer)}`);
  await removeAll(server, two);
  const nested = await reportOf(dataPath, 'restore', REPO, 'multi');
  expect([...nested.manifests].sort()).toEqual([one, two, inner, outer].map(digestOf).sort());
  for (const each of [one, two]) await checkPulls(server, digestOf(each), each);
  await expectStatus(200, `${url}/v2/${REPO}/manifests/multi`);

  // The whole repository.
  expect((await marina(dataPath, 'rm', REPO)).code).toBe(0);
  await expectStatus(404, `${url}/v2/${REPO}/tags/list`);
  expect((await marina(dataPath, 'restore', REPO, 'latest')).lines).toEqual([
    expect.stringMatching(/^latest -> sha256:\S+, as it was before slot \d+ deleted it \(/),
    `linked again: 1 manifest and ${pushed.blobs.length} blobs`,
  ]);
  await checkPulls(server, 'latest', pushed);
  expect(await (await fetch(`${url}/v2/${REPO}/tags/list`)).json()).toMatchObject({ tags: ['latest'] });
  const history = (await marina(dataPath, 'history', REPO, 'latest', '--json')).lines.map((line) => JSON.parse(line));
  expect(history.map(({ action, with: by, actor }) => [action, by, actor])).toEqual([
    ['set', undefined, 'anonymous'],
    ['deleted', 'manifest', 'anonymous'],
    ['set', undefined, OPERATOR_HERE],
    ['deleted', 'repository', OPERATOR_HERE],
    ['set', undefined, OPERATOR_HERE],
  ]);
  expect((await fsck(dataPath, '--scrub')).faults).toEqual([]);
});

test('a tag is reset to its value at a slot or a time, even if that manifest was deleted in the meantime', async () => {
  const server = await startServer({ STORAGE_PATH: temporaryFolder('roll-back') });
  const { url, dataPath } = server;
  const values = [image(), image(), image()];
  for (const each of values) {
    await pushImage(url, REPO, each, 'v1');
    await Bun.sleep(10);
  }
  const [first, second, third] = values;
  if (first === undefined || second === undefined || third === undefined) return expect.unreachable();
  const sets = (await eventsOf(dataPath, REPO)).filter(({ event }) => event.type === 'tag.set');
  await removeAll(server, first);
  expect(await reportOf(dataPath, 'tag', REPO, 'v1', '--to', String(sets[0]?.seq))).toMatchObject({
    seq: sets[0]?.seq,
    side: 'after',
    manifests: [digestOf(first)],
    tags: [{ tag: 'v1', digest: digestOf(first), was: digestOf(third) }],
  });
  await checkPulls(server, 'v1', first);
  expect(await reportOf(dataPath, 'restore', REPO, 'v1', '--at', sets[1]?.at ?? '')).toMatchObject({
    digest: digestOf(second),
  });
  await checkPulls(server, 'v1', second);
  await refused(dataPath, `${REPO} had no tag v1 at slot 1`, 'tag', REPO, 'v1', '--to', '1');
  await refused(dataPath, `${REPO} had no tag v1 at 2020-01-01`, 'restore', REPO, 'v1', '--at', '2020-01-01 10:00:00Z');
  await refused(dataPath, `the log of ${REPO} ends at slot `, 'tag', REPO, 'v1', '--to', '9999');
  await refused(dataPath, `${REPO} never had a tag v9`, 'restore', REPO, 'v9');
  await refused(dataPath, `${REPO} never had a manifest sha256:`, 'restore', REPO, `sha256:${'0'.repeat(64)}`);
  for (const [args, message] of [
    [['restore', REPO, 'v1', '--at', 'yesterday'], 'A slot number, or a time such as'],
    [['restore', REPO, 'sha256:12'], '"sha256:12" is not a valid digest'],
    [['tag', REPO, 'v1'], "required option '--to <seq>' not specified"],
    [['tag', REPO, 'v:1', '--to', '1'], '"v:1" is not a valid tag'],
  ] as const) {
    const { code, stderr } = await marina(dataPath, ...args);
    expect([code, linesOf(stderr)]).toEqual([2, [expect.stringContaining(message)]]);
  }
  // Content that was not deleted, and the tag that points elsewhere now, are left alone.
  await remove(server, `manifests/${digestOf(third)}`);
  await remove(server, `manifests/${digestOf(second)}`);
  await pushManifest(url, REPO, first, 'v1');
  expect((await marina(dataPath, 'restore', REPO, digestOf(second))).lines).toEqual([
    'linked again: 1 manifest',
    'unchanged: the tag v1 now points to another manifest',
  ]);
});

test('freed content is named, and nothing is restored partially; without a server the command does the work', async () => {
  const dataPath = temporaryFolder('freed');
  let server = await startServer({ STORAGE_PATH: dataPath, ...QUICK });
  const { url } = server;
  const shared = randomBlob(2_000);
  const [kept, gone] = [image({ layers: [shared] }), image({ layers: [shared, randomBlob(3_000)] })];
  await pushImage(url, REPO, kept, 'kept');
  await pushImage(url, REPO, gone, 'gone');
  const object = await objectPath(dataPath, REPO, digestOf(gone));
  await removeAll(server, { ...gone, blobs: gone.blobs.filter((each) => each !== shared) });
  await Bun.sleep(1_200);
  expect((await marina(dataPath, 'gc', '--wait')).code).toBe(0);
  expect(existsSync(object)).toBeFalse();
  await refused(dataPath, `its bytes were freed, or are being freed now: blob sha256:`, 'restore', REPO, 'gone');
  await refused(dataPath, `manifest ${digestOf(gone)}`, 'restore', REPO, digestOf(gone));
  await expectStatus(404, `${url}/v2/${REPO}/manifests/gone`);
  await remove(server, `manifests/${digestOf(kept)}`);
  expect(await server.stop()).toBe(0);

  const settings = { STORAGE_PATH: dataPath, ...QUICK };
  const alone = await attempt([...marinaCommand, 'restore', REPO, 'kept'], { env: settings });
  expect([alone.code, alone.stderr]).toEqual([0, '']);
  server = await startServer({ STORAGE_PATH: dataPath, ...QUICK });
  await checkPulls(server, 'kept', kept);
  // Linked again, it is live: later collections keep it.
  await Bun.sleep(1_200);
  await pushBlob(server.url, 'other/app', randomBlob(10));
  expect((await marina(dataPath, 'gc', '--wait')).code).toBe(0);
  await checkPulls(server, 'kept', kept);
  expect((await fsck(dataPath, '--scrub')).faults).toEqual([]);
});
