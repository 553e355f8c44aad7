import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { eventBatches } from '../../test/support/generators.ts';
import { REPO, slotsOf, type WrittenSlot, writeLog } from '../../test/support/slots.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import type { RecentChange } from './interface.ts';
import { changesOf, readRecentChanges, SlotChanges } from './recent-changes.ts';

/** All pages, from the newest on. */
async function pages(
  slots: readonly WrittenSlot[],
  limit: number,
  known = new SlotChanges(),
): Promise<RecentChange[][]> {
  const driver = new MemoryDriver();
  await writeLog(driver, slots);
  const found: RecentChange[][] = [];
  for (let before: number | undefined = slots.length + 1; before !== undefined; ) {
    const { changes, next } = await readRecentChanges(driver, REPO, before, limit, known);
    found.push([...changes]);
    before = next;
  }
  return found;
}

describe('pages of recent changes', () => {
  test('have every change of the log once, the newest first', async () => {
    await fc.assert(
      fc.asyncProperty(eventBatches, fc.integer({ min: 1, max: 20 }), async (batches, limit) => {
        const slots = slotsOf(batches);
        const all = slots.flatMap(({ batch }) => changesOf(batch)).reverse();
        const known = new SlotChanges();
        // The second time from what is remembered.
        for (let round = 0; round < 2; round++) expect((await pages(slots, limit, known)).flat()).toEqual(all);
      }),
      { numRuns: 50 },
    );
  });

  test('name no type of a referrer that is too long to be one', () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const put = { type: 'manifest.put', digest, mediaType: 'a/b', subject: digest, refs: [] };
    const slots = slotsOf([
      [
        { ...put, artifactType: 'c/d' },
        { ...put, artifactType: `c/${'d'.repeat(1_000)}` },
      ],
    ] as never);
    const types = slots.flatMap(({ batch }) => changesOf(batch)).map((change) => 'type' in change && change.type);
    expect(types).toEqual(['c/d', 'a/b']);
  });

  test('read a bounded number of slots, and then go on', async () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const fence = { type: 'gc.fence', epoch: '01ARZ3NDEKTSV4RRFFQ69G5FAV' };
    const quiet = Array.from({ length: 1_100 }, () => [fence]);
    const slots = slotsOf([[{ type: 'tag.set', tag: 'v1', digest }], ...quiet] as never);
    const found = await pages(slots, 10);
    expect(found.map(({ length }) => length)).toEqual([0, 0, 1]);
  });
});
