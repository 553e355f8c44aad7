import { describe, expect, test } from 'bun:test';
import { collectNow } from '../../test/support/collection.ts';
import { A, EXPIRY, GRACE, HOUR, openRegistry, text } from '../../test/support/registry.ts';
import type { Incarnation } from '../oci/names.ts';
import { dataKey, holdKey } from '../storage/paths.ts';
import { activeHolds, createHold, type HoldContent, readHolds, removeHold } from './holds.ts';
import { lostIn, positionsAt } from './pin.ts';

/** A repository in which a blob was linked at slot 1 and unlinked at slot 2, long ago. */
async function withUnlinkedBlob() {
  const open = openRegistry();
  const digest = await open.push(A, text('a blob'));
  const inc = (await open.linkOf(A, digest)) ?? expect.unreachable();
  const linkedAt = open.clock.now();
  open.clock.advance(HOUR);
  await open.registry.deleteBlob(A, digest, { actor: { id: 'x', label: 'x' } } as never);
  open.clock.advance(2 * GRACE + 2 * EXPIRY);
  const isStored = async () => (await open.driver.head(dataKey(inc))) !== undefined;
  return { open, digest, inc, linkedAt, isStored };
}

function contentOf(now: number, changes: Partial<HoldContent> = {}): HoldContent {
  const times = { moment: now, created: now, until: now + 10 * GRACE };
  return { v: 1, name: 'pin', ...times, by: 'operator', logs: [[A, 1]], ...changes };
}

describe('a hold', () => {
  test('keeps what its logs linked, and ends by itself', async () => {
    const { open, isStored } = await withUnlinkedBlob();
    await createHold(open.driver, open.newIncarnation(), contentOf(open.clock.now()));
    expect((await collectNow(open)).freed.objects).toBe(0);
    expect(await isStored()).toBe(true);
    open.clock.advance(10 * GRACE + 1);
    expect(await activeHolds(open.driver, open.clock.now())).toEqual([]);
    expect((await collectNow(open)).freed.objects).toBe(1);
    expect(await isStored()).toBe(false);
    // It stays a day for processes whose clocks are behind.
    expect(await readHolds(open.driver)).toHaveLength(1);
    open.clock.advance(25 * HOUR);
    await collectNow(open);
    expect(await readHolds(open.driver)).toEqual([]);
  });

  test('keeps nothing that was linked before or after its slot, and nothing once it is removed', async () => {
    const { open, isStored } = await withUnlinkedBlob();
    const id = open.newIncarnation();
    await createHold(open.driver, id, contentOf(open.clock.now(), { logs: [[A, 2]] }));
    expect((await collectNow(open)).freed.objects).toBe(1);
    expect(await isStored()).toBe(false);
    await removeHold(open.driver, id);
    expect(await readHolds(open.driver)).toEqual([]);
  });

  test('that cannot be read keeps everything', async () => {
    const { open, isStored } = await withUnlinkedBlob();
    const newer = Bun.zstdCompressSync(JSON.stringify({ ...contentOf(open.clock.now()), v: 2 }));
    for (const bytes of [newer, text('torn')]) {
      const id = open.newIncarnation();
      await open.driver.create(holdKey(id), bytes);
      const failure: unknown = await collectNow(open).catch((error: unknown) => error);
      expect(String(failure)).toContain(`${holdKey(id)} cannot be read, so nothing is deleted`);
      expect(await isStored()).toBe(true);
      await open.driver.delete([holdKey(id)]);
    }
    expect((await collectNow(open)).freed.objects).toBe(1);
  });
});

describe('a pin', () => {
  test('is at the last slot of each log at its moment', async () => {
    const { open, linkedAt } = await withUnlinkedBlob();
    expect(await positionsAt(open.driver, linkedAt - 1)).toEqual([]);
    expect(await positionsAt(open.driver, linkedAt)).toEqual([[A, 1]]);
    expect(await positionsAt(open.driver, open.clock.now())).toEqual([[A, 2]]);
  });

  test('finds what was freed before it', async () => {
    const { open, digest } = await withUnlinkedBlob();
    const lost = async () => await Array.fromAsync(lostIn(open.driver, A, 1));
    expect(await lost()).toEqual([]);
    await collectNow(open);
    expect(await lost()).toEqual([{ repo: A, digest, size: 6 }]);
    expect(await Array.fromAsync(lostIn(open.driver, A, 2))).toEqual([]);
  });

  test('cannot take a name twice in the store', async () => {
    const { open } = await withUnlinkedBlob();
    const id = 'x'.repeat(26) as Incarnation;
    await createHold(open.driver, id, contentOf(0));
    await expect(createHold(open.driver, id, contentOf(0))).rejects.toThrow('exists already');
  });
});
