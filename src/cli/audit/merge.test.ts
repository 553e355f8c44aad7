import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { countingIncarnations } from '../../../test/support/deterministic.ts';
import { FEW } from '../../../test/support/generators.ts';
import { BATCH_VERSION, type Batch, encodeBatch, hashSlot, NO_SLOT } from '../../journal/events.ts';
import type { RepositoryName, Tag } from '../../oci/names.ts';
import { MemoryDriver } from '../../storage/memory/driver.ts';
import { markerKey, slotKey } from '../../storage/paths.ts';
import { type AuditedLog, repositoryLogs } from './audited-log.ts';
import { HeldBytes } from './held-bytes.ts';
import { type AuditFault, firstSlotSince } from './log-cursor.ts';
import { MergedLogs } from './merge.ts';
import { ReadAheadBudget } from './read-ahead.ts';

const START = Date.UTC(2030, 0, 1);
const HOUR = 3_600_000;
const [digest] = FEW.manifests as [(typeof FEW.manifests)[number]];
const newId = countingIncarnations(() => START);

type Times = Readonly<Record<string, readonly number[]>>;

/** Logs whose slots were written at these milliseconds after START. */
function storeOf(times: Times): { driver: MemoryDriver; objects: Map<string, Uint8Array> } {
  const objects = new Map<string, Uint8Array>();
  for (const [name, all] of Object.entries(times)) {
    const repo = name as RepositoryName;
    objects.set(markerKey(repo), new Uint8Array());
    let prev = NO_SLOT;
    for (const [index, after] of all.entries()) {
      const batch: Batch = {
        ...{ v: BATCH_VERSION, repo, seq: index + 1, prev, batch: newId(), node: 'n' },
        at: new Date(START + after).toISOString(),
        events: [{ type: 'tag.set', tag: `t${index + 1}` as Tag, digest }],
      };
      const bytes = encodeBatch(batch);
      prev = hashSlot(bytes);
      objects.set(slotKey(repo, batch.seq), bytes);
    }
  }
  return { driver: new MemoryDriver(objects), objects };
}

function openMerged(driver: MemoryDriver, { held = 1_000_000, since = 0, verify = false } = {}) {
  const faults: AuditFault[] = [];
  const report = async (fault: AuditFault): Promise<void> => void faults.push(fault);
  const budget = new ReadAheadBudget(new HeldBytes(held));
  const merged = new MergedLogs({ reader: driver, verify, report, budget }, since);
  return { merged, faults };
}

async function slotsIn(
  entries: AsyncIterable<{ log: AuditedLog; slot: { seq: number; at: string } }>,
): Promise<(readonly [name: string, seq: number, after: number])[]> {
  const all: (readonly [string, number, number])[] = [];
  for await (const { log, slot } of entries)
    all.push([log.kind === 'repository' ? log.repo : 'robots', slot.seq, Date.parse(slot.at) - START]);
  return all;
}

test('every slot comes once, ordered by time and within its log, with any memory limit', async () => {
  const names = fc.constantFrom('a', 'b/c', 'd', 'e/f/g');
  const times = fc.dictionary(names, fc.array(fc.nat(50), { maxLength: 8 }));
  await fc.assert(
    fc.asyncProperty(times, fc.constantFrom(0, 300, 100_000), async (written, held) => {
      const { driver } = storeOf(written);
      const { merged, faults } = openMerged(driver, { held, verify: true });
      const seen = await slotsIn(merged.read(repositoryLogs(driver)));
      expect(faults).toEqual([]);
      // A slot counts as written when the latest one before it in its log was: clocks of nodes differ.
      const expected = Object.entries(written)
        .flatMap(([name, all]) => all.map((at, n) => ({ name, n, at, by: Math.max(...all.slice(0, n + 1)) })))
        .sort((x, y) => {
          if (x.by !== y.by) return x.by - y.by;
          if (x.name !== y.name) return x.name < y.name ? -1 : 1;
          return x.n - y.n;
        })
        .map(({ name, n, at }) => [name, n + 1, at] as const);
      expect(seen).toEqual(expected);
    }),
  );
});

test('the first slot since a time is found by binary search', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(100), { maxLength: 40 }), fc.nat(120), async (all, since) => {
      const sorted = all.toSorted((x, y) => x - y);
      const { driver } = storeOf({ a: sorted });
      const found = await firstSlotSince(driver, { kind: 'repository', repo: 'a' as RepositoryName }, START + since);
      expect(found).toBe(sorted.filter((at) => at < since).length + 1);
    }),
  );
});

test('new slots and new logs are found later, with a bounded number of reads', async () => {
  const { driver, objects } = storeOf({ a: [1], b: [2], c: [3] });
  const { merged } = openMerged(driver);
  expect(await slotsIn(merged.read(repositoryLogs(driver)))).toHaveLength(3);
  for (const [key, bytes] of storeOf({ b: [2, HOUR], d: [5] }).objects) if (!objects.has(key)) objects.set(key, bytes);
  expect(await slotsIn(merged.poll(1))).toEqual([]);
  expect(await slotsIn(merged.poll(1))).toEqual([['b', 2, HOUR]]);
  expect(await slotsIn(merged.poll(10))).toEqual([]);
  expect(await slotsIn(merged.read(repositoryLogs(driver)))).toEqual([['d', 1, 5]]);
  expect(merged.size).toBe(4);
});

/** Counts reads that run at the same time. Each takes a turn of the event loop. */
class SlowDriver extends MemoryDriver {
  running = 0;
  most = 0;

  override async read(key: Parameters<MemoryDriver['read']>[0]): ReturnType<MemoryDriver['read']> {
    this.running++;
    this.most = Math.max(this.most, this.running);
    await new Promise(setImmediate);
    this.running--;
    return await super.read(key);
  }
}

test('slots are read before their turn, a bounded number at a time', async () => {
  const perLog = Array.from({ length: 200 }, (_, n) => n);
  for (const [names, least] of [
    [['a'], 16],
    [Array.from({ length: 30 }, (_, n) => `r${n}`), 32],
  ] as const) {
    const { objects } = storeOf(Object.fromEntries(names.map((name) => [name, perLog])));
    const driver = new SlowDriver(objects);
    const { merged, faults } = openMerged(driver, { held: 100_000_000, verify: true });
    const seen = await slotsIn(merged.read(repositoryLogs(driver)));
    expect(faults).toEqual([]);
    expect(seen).toHaveLength(names.length * perLog.length);
    expect(seen.map(([, , after]) => after)).toEqual(seen.map(([, , after]) => after).sort((x, y) => x - y));
    expect(driver.most).toBeGreaterThanOrEqual(least);
    expect(driver.most).toBeLessThanOrEqual(48);
  }
});

test('a store that fails ends the audit with its error', async () => {
  const { objects } = storeOf({ a: [1, 2, 3, 4, 5, 6, 7, 8] });
  class FailingDriver extends MemoryDriver {
    override async read(key: Parameters<MemoryDriver['read']>[0]): ReturnType<MemoryDriver['read']> {
      if (key === slotKey('a' as RepositoryName, 6)) throw new Error('the disk is gone');
      return await super.read(key);
    }
  }
  const driver = new FailingDriver(objects);
  const { merged } = openMerged(driver);
  const seen: number[] = [];
  const read = async (): Promise<void> => {
    for await (const { slot } of merged.read(repositoryLogs(driver))) seen.push(slot.seq);
  };
  await expect(read()).rejects.toThrow('the disk is gone');
  expect(seen).toEqual([1, 2, 3, 4, 5]);
});

describe('a damaged log', () => {
  const times = { a: [1, 3, 5, 7], b: [2, 4] };

  test('is read beyond a missing slot, which is reported', async () => {
    const { driver, objects } = storeOf(times);
    objects.delete(slotKey('a' as RepositoryName, 2));
    objects.delete(slotKey('a' as RepositoryName, 3));
    const { merged, faults } = openMerged(driver);
    expect((await slotsIn(merged.read(repositoryLogs(driver)))).map(([name, seq]) => `${name}${seq}`)).toEqual([
      ...['a1', 'b1', 'b2', 'a4'],
    ]);
    expect(faults.map(({ seq, message }) => [seq, message])).toEqual([[2, 'it is missing, but slot 4 exists']]);
  });

  test('is read beyond an unusable slot, which is reported', async () => {
    const { driver, objects } = storeOf(times);
    objects.set(slotKey('a' as RepositoryName, 4), new Uint8Array([1]));
    const { merged, faults } = openMerged(driver, { verify: true });
    expect(await slotsIn(merged.read(repositoryLogs(driver)))).toHaveLength(5);
    expect(faults).toMatchObject([{ seq: 4, message: expect.stringContaining('not JSON') }]);
  });

  test('is detected by its hashes, if these are verified', async () => {
    for (const verify of [true, false]) {
      const { driver, objects } = storeOf(times);
      const key = slotKey('a' as RepositoryName, 2);
      const text = new TextDecoder().decode(objects.get(key));
      objects.set(key, new TextEncoder().encode(text.replace('"t2"', '"t9"')));
      const { merged, faults } = openMerged(driver, { verify });
      expect(await slotsIn(merged.read(repositoryLogs(driver)))).toHaveLength(6);
      expect(faults.map(({ seq }) => seq)).toEqual(verify ? [3] : []);
    }
  });

  test('is also detected by its encoding', async () => {
    const { driver, objects } = storeOf(times);
    const key = slotKey('b' as RepositoryName, 2);
    const text = new TextDecoder().decode(objects.get(key));
    objects.set(key, new TextEncoder().encode(` ${text}`));
    const { merged, faults } = openMerged(driver, { verify: true });
    expect(await slotsIn(merged.read(repositoryLogs(driver)))).toHaveLength(6);
    expect(faults).toMatchObject([{ seq: 2, message: expect.stringContaining('canonical') }]);
  });
});
