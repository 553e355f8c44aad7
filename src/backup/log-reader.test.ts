import { expect, test } from 'bun:test';
import { MemoryArchive } from '../../test/support/memory-archive.ts';
import { refusalOf } from '../../test/support/registry.ts';
import { REPO, slotsOf, type WrittenSlot } from '../../test/support/slots.ts';
import type { JournalEvent } from '../journal/events.ts';
import type { RepositoryName } from '../oci/names.ts';
import { encodeFrame } from './frames.ts';
import { packKey } from './layout.ts';
import { LogReader } from './log-reader.ts';
import { batchOf } from './logs.ts';

const LOG = { kind: 'repository', repo: REPO } as const;
const PACK = 'a'.repeat(64);

function tagged(prefix: string): WrittenSlot[] {
  return slotsOf(
    Array.from({ length: 5 }, (_, n): JournalEvent[] => [
      { type: 'tag.set', tag: `${prefix}${n}`, digest: `sha256:${'a'.repeat(64)}` } as JournalEvent,
    ]),
  );
}

/** Reads these slots from a backup that says that its last one is that of `said`. */
async function read(slots: readonly WrittenSlot[], said: readonly WrittenSlot[]): Promise<number> {
  const frame = encodeFrame(slots.map(({ bytes }) => bytes));
  const archive = new MemoryArchive();
  await archive.write(packKey(PACK), frame);
  const hash = said.at(-1)?.hash ?? expect.unreachable();
  const reader = new LogReader(archive, { packs: [PACK] });
  const frames: [number, number, number, number, number][] = [[0, 0, frame.length, 1, slots.length]];
  return (await Array.fromAsync(reader.slots(LOG, { seq: said.length, hash, frames }))).length;
}

test('the slots of a backup are those of its log', async () => {
  const [slots, others] = [tagged('a'), tagged('b')];
  expect(await read(slots, slots)).toBe(5);
  // One in the middle is another one: the last one still has the hash that the manifest says.
  for (const place of [0, 2, 3, 4])
    expect(await refusalOf(read(slots.with(place, others[place] ?? expect.unreachable()), slots))).toBe('log-broken');
  expect(await refusalOf(read(others, slots))).toBe('log-broken');
  expect(await refusalOf(read(slots.slice(0, 4), slots))).toBe('log-broken');
});

test('a slot of another repository is refused', () => {
  const [first] = tagged('a');
  if (first === undefined) return expect.unreachable();
  expect(batchOf(LOG, 1, first.bytes).repo).toBe(REPO);
  expect(() => batchOf({ kind: 'repository', repo: 'other/one' as RepositoryName }, 1, first.bytes)).toThrow(
    `it says it is of ${REPO}`,
  );
});
