// Copies of an intact store, each damaged in one way: fsck names the damage.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  BATCH_VERSION,
  decodeBatch,
  encodeBatch,
  hashSlot,
  type JournalEvent,
  type ManifestPut,
} from '../../src/journal/events.ts';
import { decodeSnapshot, encodeSnapshot } from '../../src/journal/snapshot.ts';
import type { Digest, RepositoryName, Tag } from '../../src/oci/names.ts';
import { markerKey, snapshotKey } from '../../src/storage/paths.ts';
import type { Image } from '../support/oci.ts';
import { cleanUp } from '../support/server.ts';
import { copyOf, eventsOf, flipByte, fsck, marina, objectPath, slotPath } from './marina.ts';
import { APP, MANY, makeStore, OTHER, type Store } from './store.ts';

let store: Store;

beforeAll(async () => {
  store = await makeStore();
});
afterAll(cleanUp);

test('a flipped byte that makes a slot invalid', async () => {
  const damaged = copyOf(store.dataPath);
  flipByte(slotPath(damaged, APP, 3), 0);
  const { code, faults, findings, summary } = await fsck(damaged);
  expect(code).toBe(1);
  expect(faults).toEqual([expect.objectContaining({ problem: 'slot-unusable', repo: APP, slot: 3 })]);
  expect(findings).toContainEqual(expect.objectContaining({ severity: 'warning', problem: 'log-unfolded', repo: APP }));
  // Without that log, orphans cannot be determined.
  expect(summary).toMatchObject({ repositories: 3, orphans: null, wrongHints: null });
});

test('a flipped byte in a slot that still parses breaks the chain', async () => {
  const damaged = copyOf(store.dataPath);
  alterSlot(damaged, APP, 3, (text) => text.replace(/"size":(\d)/, (_, digit) => `"size":${digit === '1' ? 2 : 1}`));
  const { code, faults } = await fsck(damaged);
  expect(code).toBe(1);
  expect(faults).toEqual([expect.objectContaining({ problem: 'chain-broken', repo: APP, slot: 4 })]);
});

test('a slot whose bytes are not canonical counts as altered', async () => {
  const damaged = copyOf(store.dataPath);
  const last = (await eventsOf(damaged, OTHER)).at(-1)?.seq ?? 0;
  alterSlot(damaged, OTHER, last, (text) => text.replace('"actor"', '"bctor"'));
  const { code, faults } = await fsck(damaged);
  expect(code).toBe(1);
  expect(faults).toEqual([expect.objectContaining({ problem: 'slot-altered', repo: OTHER, slot: last })]);
});

test('a slot that is missing in the middle', async () => {
  const damaged = copyOf(store.dataPath);
  for (const seq of [4, 5, 7]) rmSync(slotPath(damaged, APP, seq));
  const { code, faults } = await fsck(damaged);
  expect(code).toBe(1);
  expect(faults.map(({ problem, repo, slot }) => [problem, repo, slot])).toEqual([
    ['slot-missing', APP, 4],
    ['slot-missing', APP, 7],
  ]);
  expect(faults[0]?.message).toContain('up to 5');
});

test('an unreadable newest slot', async () => {
  const damaged = copyOf(store.dataPath);
  const last = (await eventsOf(damaged, OTHER)).at(-1)?.seq ?? 0;
  truncateSync(slotPath(damaged, OTHER, last), 20);
  const { code, faults } = await fsck(damaged, OTHER);
  expect(code).toBe(1);
  expect(faults).toEqual([expect.objectContaining({ problem: 'slot-unusable', repo: OTHER, slot: last })]);
});

test('a slot of an unknown version', async () => {
  const damaged = copyOf(store.dataPath);
  alterSlot(damaged, OTHER, 2, (text) => text.replace(`"v":${BATCH_VERSION}`, `"v":${BATCH_VERSION + 1}`));
  const { code, faults } = await fsck(damaged);
  expect(code).toBe(1);
  expect(faults).toEqual([expect.objectContaining({ problem: 'slot-unusable', repo: OTHER, slot: 2 })]);
  expect(faults[0]?.message).toContain(`version ${BATCH_VERSION + 1}`);
});

test('a truncated object', async () => {
  const damaged = copyOf(store.dataPath);
  truncateSync(await objectPath(damaged, APP, store.loose.descriptor.digest), 1999);
  const { code, faults } = await fsck(damaged);
  expect(code).toBe(1);
  const digest = store.loose.descriptor.digest;
  expect(faults).toEqual([expect.objectContaining({ problem: 'object-length', repo: APP, digest })]);
  expect(faults[0]?.message).toContain('has 1999 bytes, the log says 2000');
});

test('a lost object is missing in every repository that links to it', async () => {
  const damaged = copyOf(store.dataPath);
  const digest = layerOf(store.first);
  rmSync(await objectPath(damaged, APP, digest));
  const { code, faults } = await fsck(damaged);
  expect(code).toBe(1);
  expect(faults.every((fault) => fault.problem === 'object-missing' && fault.digest === digest)).toBeTrue();
  expect(faults.map(({ repo }) => repo).sort()).toEqual([MANY, OTHER, APP]);
});

test('a flipped byte in a blob: only --scrub finds it, in every repository, reading it once', async () => {
  const damaged = copyOf(store.dataPath);
  const digest = layerOf(store.first);
  flipByte(await objectPath(damaged, APP, digest), 500);
  expect((await fsck(damaged)).code).toBe(0);
  const { code, faults, summary } = await fsck(damaged, '--scrub');
  expect(code).toBe(1);
  expect(faults.every((fault) => fault.problem === 'object-digest' && fault.digest === digest)).toBeTrue();
  expect(faults.map(({ repo }) => repo).sort()).toEqual([MANY, OTHER, APP]);
  expect(summary.verified).toBe(summary.objects);

  const { code: shown, lines } = await marina(damaged, 'fsck', '--scrub', APP);
  expect(shown).toBe(1);
  expect(lines[0]).toStartWith(`fault    ${APP} ${digest}: the bytes of its object have the digest sha256:`);
  expect(lines.at(-1)).toStartWith('1 fault; 1 repository');
});

test('a flipped byte in a manifest is always found', async () => {
  const damaged = copyOf(store.dataPath);
  const { digest } = store.artifact.descriptor;
  flipByte(await objectPath(damaged, APP, digest), 10);
  const { code, faults } = await fsck(damaged);
  expect(code).toBe(1);
  expect(faults).toEqual([expect.objectContaining({ problem: 'object-digest', repo: APP, digest })]);
});

test('a missing marker', async () => {
  const damaged = copyOf(store.dataPath);
  rmSync(join(damaged, markerKey(APP as RepositoryName)));
  const { code, faults, summary } = await fsck(damaged);
  expect(code).toBe(1);
  expect(faults).toEqual([expect.objectContaining({ problem: 'marker-missing', repo: APP })]);
  expect(summary).toMatchObject({ repositories: 3, orphans: { count: 0 } });
  expect(await fsck(damaged, APP)).toMatchObject({ code: 1, summary: { faults: 1, repositories: 1 } });
});

test('a log that contradicts the store', async () => {
  const damaged = copyOf(store.dataPath);
  const put = (await eventsOf(damaged, APP)).find(({ event }) => event.digest === store.artifact.descriptor.digest);
  const manifest = put?.event as ManifestPut | undefined;
  if (manifest === undefined) return expect.unreachable();
  const nowhere = `sha256:${'0'.repeat(64)}` as Digest;
  const layer = layerOf(store.first) as Digest;
  const link = (await eventsOf(damaged, APP)).find(({ event }) => event.digest === layer)?.event;
  if (link?.inc === undefined) return expect.unreachable();
  appendSlot(damaged, APP, [
    { type: 'tag.set', tag: 'dangling' as Tag, digest: nowhere },
    { type: 'blob.unlinked', digest: layer, inc: link.inc },
    { ...manifest, refs: [...manifest.refs, nowhere], mediaType: 'application/vnd.oci.image.manifest.v1+json' },
  ]);
  const { code, faults } = await fsck(damaged);
  expect(code).toBe(1);
  expect(faults).toHaveLength(3);
  expect(faults).toContainEqual(expect.objectContaining({ problem: 'tag-dangling', tag: 'dangling', digest: nowhere }));
  const { digest } = store.first.descriptor;
  const missing = { problem: 'blob-missing', repo: APP, digest, message: expect.stringContaining(layer) };
  expect(faults).toContainEqual(expect.objectContaining(missing));
  const recorded = { problem: 'manifest-recorded-wrong', digest: manifest.digest };
  expect(faults).toContainEqual(expect.objectContaining(recorded));
});

test('a corrupt snapshot', async () => {
  const damaged = copyOf(store.dataPath);
  const { path, seq } = await snapshotOf(damaged);
  flipByte(path, 2);
  const { code, faults } = await fsck(damaged);
  expect(code).toBe(1);
  expect(faults).toEqual([expect.objectContaining({ problem: 'snapshot-unusable', repo: MANY, slot: seq })]);
});

test('a snapshot that contradicts its slots', async () => {
  const damaged = copyOf(store.dataPath);
  const { path, seq } = await snapshotOf(damaged);
  await alterSnapshot(path, (state) => state.tags.delete('t100' as Tag));
  const { code, faults } = await fsck(damaged);
  expect(code).toBe(1);
  expect(faults).toEqual([expect.objectContaining({ problem: 'snapshot-wrong', repo: MANY, slot: seq })]);
  expect(faults[0]?.message).toContain('t100');

  await alterSnapshot(path, (state) => {
    state.hash = `sha256:${'1'.repeat(64)}`;
  });
  expect((await fsck(damaged)).faults).toEqual([expect.objectContaining({ problem: 'snapshot-wrong', slot: seq })]);
});

test('a snapshot of another fold version is not a fault', async () => {
  const damaged = copyOf(store.dataPath);
  const { path } = await snapshotOf(damaged);
  writeFileSync(path, await Bun.zstdCompress('{"fold":99}'));
  const { code, findings } = await fsck(damaged);
  expect(code).toBe(0);
  expect(findings).toEqual([expect.objectContaining({ severity: 'note', problem: 'snapshot-other-version' })]);
});

test('lost newest slots, revealed by a later snapshot', async () => {
  const damaged = copyOf(store.dataPath);
  const { seq } = await snapshotOf(damaged);
  for (const { seq: each } of await eventsOf(damaged, MANY)) {
    if (each >= seq) rmSync(slotPath(damaged, MANY, each), { force: true });
  }
  const { code, faults } = await fsck(damaged);
  expect(code).toBe(1);
  // The notes of the feed may name the lost slots, too.
  const [first, ...others] = faults;
  expect(first).toMatchObject({ problem: 'snapshot-ahead', repo: MANY, slot: seq });
  for (const other of others) expect(other).toMatchObject({ problem: 'slot-missing', repo: MANY });
});

test('a lost log, revealed by the remaining files of its repository', async () => {
  const damaged = copyOf(store.dataPath);
  rmSync(join(damaged, 'repos', APP), { recursive: true });
  const { findings, summary } = await fsck(damaged);
  expect(findings).toContainEqual(expect.objectContaining({ severity: 'note', problem: 'log-empty', repo: APP }));
  expect(findings).toContainEqual(expect.objectContaining({ severity: 'warning', problem: 'log-lost', repo: APP }));
  // Its two manifests and the blobs that only they need; other repositories also link the blobs of `first`.
  expect(summary.orphans?.count).toBeGreaterThan(2);
});

test('a slot lost before a snapshot: later slots are checked from the snapshot on', async () => {
  const damaged = copyOf(store.dataPath);
  rmSync(await objectPath(damaged, MANY, store.first.descriptor.digest));
  rmSync(slotPath(damaged, MANY, 100));
  const { code, faults, findings } = await fsck(damaged);
  expect(code).toBe(1);
  expect(findings.map(({ problem }) => problem)).toEqual(['slot-missing', 'log-resumed', 'object-missing']);
  expect(faults).toHaveLength(2);
});

test('foreign files are warnings', async () => {
  const damaged = copyOf(store.dataPath);
  const strays = ['catalog/UPPER', `repos/${APP}/_log/notes.txt`, `repos/${APP}/_snap/1`, 'data/xx/thumbs.db'];
  for (const stray of strays) await Bun.write(join(damaged, stray), 'x');
  const { code, findings } = await fsck(damaged);
  expect(code).toBe(0);
  expect(findings.map(({ severity, problem }) => [severity, problem])).toEqual(
    strays.map(() => ['warning', 'foreign-object']),
  );
  for (const stray of strays) expect(findings.some(({ message }) => message.includes(stray))).toBeTrue();
});

test('log and history of a broken log fail with one line', async () => {
  const damaged = copyOf(store.dataPath);
  flipByte(slotPath(damaged, APP, 3), 0);
  for (const args of [
    ['log', APP],
    ['history', APP, 'v1'],
  ]) {
    const { code, stderr } = await marina(damaged, ...args);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^marina: slot 3 of the log of team\/app cannot be used: [^\n]*\n$/);
  }
});

function layerOf(image: Image): string {
  const layer = image.blobs.at(-1);
  if (layer === undefined) throw new Error('the image has no layer');
  return layer.descriptor.digest;
}

function alterSlot(dataPath: string, repo: string, seq: number, change: (text: string) => string): void {
  const path = slotPath(dataPath, repo, seq);
  const before = readFileSync(path, 'utf8');
  const after = change(before);
  expect(after).not.toBe(before);
  writeFileSync(path, after);
}

/** Appends a slot, like a faulty server. */
function appendSlot(dataPath: string, repo: string, events: JournalEvent[]): void {
  let seq = 1;
  while (slotExists(dataPath, repo, seq + 1)) seq++;
  const bytes = readFileSync(slotPath(dataPath, repo, seq));
  const decoded = decodeBatch(bytes);
  if ('problem' in decoded) throw new Error(decoded.problem);
  const next = encodeBatch({ ...decoded.batch, seq: seq + 1, prev: hashSlot(bytes), events });
  writeFileSync(slotPath(dataPath, repo, seq + 1), next);
}

function slotExists(dataPath: string, repo: string, seq: number): boolean {
  return Bun.file(slotPath(dataPath, repo, seq)).size > 0;
}

type Folded = NonNullable<Awaited<ReturnType<typeof decodeSnapshot>>>;

async function alterSnapshot(path: string, change: (state: Folded) => void): Promise<void> {
  const state = await decodeSnapshot(MANY as RepositoryName, readFileSync(path));
  if (state === undefined) throw new Error('the server wrote no usable snapshot');
  change(state);
  writeFileSync(path, await encodeSnapshot(MANY as RepositoryName, state));
}

async function snapshotOf(dataPath: string): Promise<{ path: string; seq: number }> {
  for (const { seq } of await eventsOf(dataPath, MANY)) {
    const path = join(dataPath, snapshotKey(MANY as RepositoryName, seq));
    if (await Bun.file(path).exists()) return { path, seq };
  }
  throw new Error('the server wrote no snapshot');
}
