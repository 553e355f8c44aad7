import { describe, expect, spyOn, test } from 'bun:test';
import fc from 'fast-check';
import { EVENTS_BEGIN, eventBatches } from '../../test/support/generators.ts';
import { refusalOf } from '../../test/support/registry.ts';
import { everythingOf, foldOf, REPO, slotsOf, slotTime, type WrittenSlot, writeLog } from '../../test/support/slots.ts';
import { encodeBatch, hashSlot, NO_SLOT } from '../journal/events.ts';
import { encodeSnapshot } from '../journal/snapshot.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { slotKey, snapshotKey } from '../storage/paths.ts';
import { PastStates } from './past-states.ts';

const LONG_AFTER = EVENTS_BEGIN + 10 * 24 * 3_600_000;

/** Counts what is read. */
class CountingDriver extends MemoryDriver {
  reads = 0;

  override async read(...call: Parameters<MemoryDriver['read']>): ReturnType<MemoryDriver['read']> {
    this.reads++;
    return await super.read(...call);
  }
}

function ports(driver: MemoryDriver) {
  return { driver, views: { shown: async () => {} }, yieldToRequests: async () => {} };
}

async function open(
  slots: readonly WrittenSlot[],
  { snapshots = [], now = LONG_AFTER, memory = 1e9 }: { snapshots?: number[]; now?: number; memory?: number } = {},
) {
  const driver = new CountingDriver();
  await writeLog(driver, slots);
  for (const seq of snapshots) {
    await driver.create(snapshotKey(REPO, seq), await encodeSnapshot(REPO, foldOf(slots.slice(0, seq))));
  }
  return { driver, states: new PastStates({ ...ports(driver), now: () => now, memory }) };
}

/** That many slots, one second apart, each of which sets a tag. */
function tagged(count: number): WrittenSlot[] {
  const digest = `sha256:${'a'.repeat(64)}`;
  return slotsOf(Array.from({ length: count }, (_, n) => [{ type: 'tag.set', tag: `t${n + 1}`, digest }] as never));
}

describe('the state at a moment', () => {
  test('is the fold of all slots up to it, whichever snapshots there are', async () => {
    await fc.assert(
      fc.asyncProperty(eventBatches, fc.nat(), fc.array(fc.nat(), { maxLength: 3 }), async (batches, point, some) => {
        const slots = slotsOf(batches);
        if (slots.length === 0) return;
        const seq = 1 + (point % slots.length);
        const snapshots = [...new Set(some.map((each) => 1 + (each % slots.length)))];
        const { states } = await open(slots, { snapshots });
        const expected = everythingOf(foldOf(slots.slice(0, seq)));
        const bySlot = await states.at(REPO, { kind: 'slot', seq });
        expect(everythingOf(bySlot.state)).toEqual(expected);
        expect(bySlot.time).toBe(new Date(slotTime(seq)).toISOString());
        for (const until of [slotTime(seq), slotTime(seq) + 999]) {
          expect(everythingOf((await states.at(REPO, { kind: 'time', until })).state)).toEqual(expected);
        }
        expect((await states.at(REPO, undefined)).state.seq).toBe(slots.length);
      }),
      { numRuns: 60 },
    );
  });

  test('before the first slot has no repository', async () => {
    const { states } = await open(tagged(3));
    const { state, time } = await states.at(REPO, { kind: 'time', until: slotTime(1) - 1 });
    expect([state.seq, state.exists, time]).toEqual([0, false, undefined]);
  });

  test('ends before the first slot that is later, though clocks of nodes differ', async () => {
    const slots = tagged(5);
    const driver = new MemoryDriver();
    // The fourth slot was written by a node whose clock is behind.
    const behind = { ...(slots[3]?.batch ?? expect.unreachable()), at: new Date(slotTime(2)).toISOString() };
    await writeLog(driver, slots.slice(0, 3));
    await driver.create(slotKey(REPO, 4), new TextEncoder().encode(JSON.stringify(behind)));
    const states = new PastStates({ ...ports(driver), now: () => LONG_AFTER, memory: 1e9 });
    expect((await states.at(REPO, { kind: 'time', until: slotTime(2) })).state.seq).toBe(2);
    expect((await states.at(REPO, { kind: 'time', until: slotTime(3) })).state.seq).toBe(4);
  });

  test('is refused if the moment is not over, or the slot does not exist', async () => {
    const { states } = await open(tagged(3), { now: slotTime(3) });
    const future = Promise.try(() => states.at(REPO, { kind: 'time', until: slotTime(3) + 2_000 }));
    expect(await refusalOf(future)).toBe('request-invalid');
    expect(await refusalOf(Promise.try(() => states.at(REPO, { kind: 'slot', seq: 4 })))).toBe('request-invalid');
  });

  test('is the same whether or not the present is remembered, though clocks of nodes differ', async () => {
    const differences = fc.array(fc.integer({ min: -15_000, max: 15_000 }), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(differences, fc.integer({ min: -60_000, max: 60_000 }), async (clocks, distance) => {
        const driver = new MemoryDriver();
        let prev = NO_SLOT;
        for (const [index, { batch }] of tagged(clocks.length).entries()) {
          const at = new Date(slotTime(index + 1) + (clocks[index] ?? 0)).toISOString();
          const bytes = encodeBatch({ ...batch, prev, at });
          prev = hashSlot(bytes);
          await driver.create(slotKey(REPO, index + 1), bytes);
        }
        const moment = { kind: 'time', until: slotTime(clocks.length) + distance } as const;
        const openedFresh = () => new PastStates({ ...ports(driver), now: () => LONG_AFTER, memory: 1e9 });
        const warm = openedFresh();
        await warm.at(REPO, undefined);
        const { state } = await openedFresh().at(REPO, moment);
        expect(everythingOf((await warm.at(REPO, moment)).state)).toEqual(everythingOf(state));
      }),
    );
  });

  test('in the current second grows with the slots that are written in it', async () => {
    const slots = tagged(4);
    const { driver, states } = await open(slots.slice(0, 2), { now: slotTime(4) });
    const now = { kind: 'time', until: slotTime(4) + 999 } as const;
    expect((await states.at(REPO, now)).state.seq).toBe(2);
    await writeLog(driver, slots);
    expect((await states.at(REPO, now)).state.seq).toBe(4);
    expect((await states.at(REPO, undefined)).state.seq).toBe(4);
  });

  test('in the current second has all slots that were there when it was asked for, though an earlier request still folds', async () => {
    const slots = tagged(3);
    const driver = new MemoryDriver();
    await writeLog(driver, slots.slice(0, 2));
    const [reached, shown] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const views = {
      shown: async (): Promise<void> => {
        reached.resolve();
        await shown.promise;
      },
    };
    const states = new PastStates({ ...ports(driver), views, now: () => slotTime(3), memory: 1e9 });
    const now = { kind: 'time', until: slotTime(3) + 999 } as const;
    const before = states.at(REPO, now);
    await reached.promise;
    await writeLog(driver, slots.slice(2));
    const after = states.at(REPO, now);
    shown.resolve();
    expect([(await before).state.seq, (await after).state.seq]).toEqual([2, 3]);
  });
});

describe('reading the past', () => {
  test('of a long log reads few slots, from the nearest snapshot', async () => {
    const { driver, states } = await open(tagged(3_000), { snapshots: [512, 1_024, 2_048] });
    driver.reads = 0;
    expect((await states.at(REPO, { kind: 'time', until: slotTime(1_100) })).state.seq).toBe(1_100);
    expect(driver.reads).toBeLessThan(200);
  });

  test('twice reads nothing the second time, as far as there is memory', async () => {
    const slots = tagged(50);
    const moment = { kind: 'time', until: slotTime(20) } as const;
    const { driver, states } = await open(slots);
    await states.at(REPO, moment);
    driver.reads = 0;
    expect(states.at(REPO, moment)).not.toBeInstanceOf(Promise);
    expect(driver.reads).toBe(0);
    const poor = await open(slots, { memory: 1_000 });
    await poor.states.at(REPO, moment);
    expect(poor.states.weight).toBe(0);
    expect((await poor.states.at(REPO, moment)).state.seq).toBe(20);
  });

  test('between the same two slots as an earlier one is not folded again', async () => {
    const slots = tagged(101);
    const at = (milliseconds: number) => ({ kind: 'time', until: slotTime(100) + milliseconds }) as const;
    const { driver, states } = await open(slots.slice(0, 100));
    const { state } = await states.at(REPO, at(60_000));
    expect(state.tags.size).toBe(100);
    const before = driver.reads;
    expect((await states.at(REPO, at(61_000))).state).toBe(state);
    expect(driver.reads - before).toBeLessThan(20);
    await writeLog(driver, slots.slice(100));
    expect((await states.at(REPO, at(62_000))).state.tags.size).toBe(101);
  });

  test('that is hardly over uses the present if that is remembered', async () => {
    const { driver, states } = await open(tagged(100), { now: slotTime(101) });
    const { state } = await states.at(REPO, undefined);
    const before = driver.reads;
    expect((await states.at(REPO, { kind: 'time', until: slotTime(100) + 999 })).state).toBe(state);
    // The times of the slots of the last 30 s, and what follows the newest.
    expect(driver.reads - before).toBeLessThan(40);
    expect((await states.at(REPO, { kind: 'time', until: slotTime(99) })).state.tags.size).toBe(99);
  });

  test('gives way after each slot, and while a snapshot is restored', async () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const many = Array.from({ length: 5_000 }, (_, n) => ({ type: 'tag.set', tag: `t${n}`, digest }));
    const slots = slotsOf([many, many, many] as never);
    for (const [snapshots, least] of [
      [[], 3],
      [[2], 6],
    ] as const) {
      const { driver } = await open(slots, { snapshots: [...snapshots] });
      let pauses = 0;
      const yieldToRequests = async (): Promise<void> => {
        pauses++;
      };
      const states = new PastStates({ ...ports(driver), yieldToRequests, now: () => LONG_AFTER, memory: 1e9 });
      expect((await states.at(REPO, undefined)).state.tags.size).toBe(5_000);
      expect(pauses).toBeGreaterThanOrEqual(least);
    }
  });

  test('that is the present is folded twice for any number of callers at once, also without memory for it', async () => {
    const { driver, states } = await open(tagged(100), { memory: 1 });
    await states.at(REPO, undefined);
    const once = driver.reads;
    const all = await Promise.all(Array.from({ length: 20 }, () => states.at(REPO, undefined)));
    expect(new Set(all.map(({ state }) => state.seq))).toEqual(new Set([100]));
    expect(driver.reads - once).toBeLessThanOrEqual(2 * once);
  });

  test('that is the present has all slots that were there when it was asked for', async () => {
    const slots = tagged(30);
    const { driver, states } = await open(slots.slice(0, 10));
    const asked: Promise<void>[] = [];
    for (const slot of slots.slice(10)) {
      await writeLog(driver, [slot]);
      const { seq } = slot.batch;
      const isThere = async (): Promise<void> => {
        const [{ state }, newest] = await Promise.all([states.at(REPO, undefined), states.newestSlot(REPO)]);
        expect(state.seq).toBeGreaterThanOrEqual(seq);
        expect(newest).toBeGreaterThanOrEqual(seq);
      };
      asked.push(isThere(), isThere());
      if (seq % 3 === 0) await Bun.sleep(0);
    }
    await Promise.all(asked);
  });

  test('by many at once folds once', async () => {
    const { driver, states } = await open(tagged(500));
    const moment = { kind: 'slot', seq: 400 } as const;
    await states.at(REPO, moment);
    const once = driver.reads;
    const fresh = await open(tagged(500));
    fresh.driver.reads = 0;
    await Promise.all(Array.from({ length: 20 }, () => fresh.states.at(REPO, moment)));
    expect(fresh.driver.reads).toBeLessThanOrEqual(once);
  });

  test('that is the present is folded once if nothing was written since', async () => {
    const { driver, states } = await open(tagged(500));
    await Promise.all(Array.from({ length: 20 }, () => states.at(REPO, undefined)));
    expect(driver.reads).toBeLessThan(600);
  });

  test('that is the present is read again after a failure', async () => {
    const { driver, states } = await open(tagged(3));
    const read = spyOn(driver, 'read').mockRejectedValueOnce(new Error('the disk fails'));
    const [first, second] = await Promise.allSettled([states.at(REPO, undefined), states.at(REPO, undefined)]);
    expect([first?.status, second?.status]).toEqual(['rejected', 'fulfilled']);
    read.mockRestore();
    expect((await states.at(REPO, undefined)).state.seq).toBe(3);
  });
});
