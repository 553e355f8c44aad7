import { beforeEach, expect, test } from 'bun:test';
import { hints, openNotes, tagEvents, writeRepository } from '../../../test/support/feed.ts';
import type { RepositoryName } from '../../oci/names.ts';
import { MemoryDriver } from '../../storage/memory/driver.ts';
import { noteKey, noteSnapshotKey, slotKey } from '../../storage/paths.ts';
import type { Finding } from './findings.ts';
import { checkNotes } from './notes-check.ts';

const SLOTS = 520;
const objects = new Map<string, Uint8Array>();

beforeEach(async () => {
  objects.clear();
  const driver = new MemoryDriver(objects);
  await writeRepository(driver, 'a', tagEvents(SLOTS));
  const log = openNotes(driver);
  for (let to = 1; to <= SLOTS; to++) await log.append(hints({ a: to }));
});

async function findings(): Promise<{ found: (readonly [string, number | undefined])[]; snapshots: number }> {
  const found: Finding[] = [];
  const tally = { repositories: 0, slots: 0, snapshots: 0, objects: 0, bytes: 0, verified: 0 };
  const reader = new MemoryDriver(objects);
  await checkNotes({ reader, tally, report: async (finding) => void found.push(finding) });
  return { found: found.map(({ problem, slot }) => [problem, slot] as const), snapshots: tally.snapshots };
}

test('sound notes with a snapshot have no faults', async () => {
  expect(await findings()).toEqual({ found: [], snapshots: 1 });
});

test('a slot that notes name, but that does not exist, is a fault', async () => {
  objects.delete(slotKey('a' as RepositoryName, SLOTS));
  expect((await findings()).found).toEqual([['slot-missing', SLOTS]]);
});

test('missing and altered notes, and snapshots that cannot be read, are faults', async () => {
  objects.delete(noteKey(3));
  const altered = new TextDecoder().decode(objects.get(noteKey(7))).replace('"node":"node0"', '"node":"node1"');
  objects.set(noteKey(7), new TextEncoder().encode(altered));
  objects.set(noteSnapshotKey(512), new TextEncoder().encode('no snapshot'));
  expect((await findings()).found).toEqual([
    ['slot-missing', 3],
    ['chain-broken', 8],
    ['snapshot-unusable', 512],
  ]);
});
