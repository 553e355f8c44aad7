import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { CountingResult, CountingTask } from '../../test/support/counting-worker.ts';
import { SharedTable } from './shared-table.ts';

const keys = (count: number): readonly string[] => Array.from({ length: count }, (_, n) => `192.0.2.${n}`);

/** Counts on as many threads at once. */
async function countOn(
  threads: number,
  task: Pick<CountingTask, 'keys' | 'rounds' | 'max' | 'leaves'>,
  memory = SharedTable.allocate(1),
): Promise<readonly CountingResult[]> {
  const gate = new SharedArrayBuffer(4);
  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL('../../test/support/counting-worker.ts', import.meta.url).href),
  );
  try {
    return await Promise.all(
      workers.map(
        (worker, seed) =>
          new Promise<CountingResult>((resolve, reject) => {
            worker.onmessage = ({ data }: MessageEvent<CountingResult>) => resolve(data);
            worker.onerror = ({ message }) => reject(new Error(message));
            worker.postMessage({ ...task, memory, gate, threads, seed });
          }),
      ),
    );
  } finally {
    for (const worker of workers) worker.terminate();
  }
}

function change(table: SharedTable, key: string, by: number): void {
  table.update(key, (record) => {
    record.requests += by;
    record.bytes += 5 * by;
  });
}

describe('a table that threads share', () => {
  test('gives a limit of a key exactly once, however many threads want it at the same time', async () => {
    const memory = SharedTable.allocate(1);
    const wanted = keys(2);
    const results = await countOn(4, { keys: wanted, rounds: 60_000, max: 50_000, leaves: false }, memory);
    for (const key of wanted) {
      expect(results.reduce((sum, { entered }) => sum + (entered[key] ?? 0), 0)).toBe(50_000);
      expect(new SharedTable(memory).requests(key)).toBe(50_000);
    }
    expect(results.map(({ torn }) => torn)).toEqual([0, 0, 0, 0]);
  });

  test('never exceeds a limit and never shows half of a step while requests come and go, and is empty at the end', async () => {
    const memory = SharedTable.allocate(1);
    const results = await countOn(4, { keys: keys(2), rounds: 150_000, max: 3, leaves: true }, memory);
    expect(results.map(({ torn }) => torn)).toEqual([0, 0, 0, 0]);
    expect(new SharedTable(memory).size).toBe(0);
  });

  test('holds each thread to the limit by itself where a key has no place, and never counts one key for another', async () => {
    // More than all records of the smallest table.
    const results = await countOn(2, { keys: keys(600), rounds: 60_000, max: 2, leaves: false });
    expect(results.map(({ torn }) => torn)).toEqual([0, 0]);
    const counts = keys(600).map((key) => results.map(({ entered }) => entered[key] ?? 0));
    for (const each of counts) for (const count of each) expect(count).toBeLessThanOrEqual(2);
    // With so many rounds every key was wanted often: none was refused for the requests of others.
    for (const each of counts) expect(each.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(2);
  });

  test('counts like a map, whichever thread changes it', () => {
    const steps = fc.array(fc.tuple(fc.nat(1), fc.constantFrom(...keys(20)), fc.boolean()), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (some) => {
        const memory = SharedTable.allocate(1);
        const tables = [new SharedTable(memory), new SharedTable(memory)] as const;
        const model = new Map<string, number>();
        for (const [thread, key, comes] of some) {
          const before = model.get(key) ?? 0;
          if (!comes && before === 0) continue;
          change(tables[thread === 0 ? 0 : 1], key, comes ? 1 : -1);
          model.set(key, before + (comes ? 1 : -1));
          for (const table of tables) {
            for (const each of keys(20)) expect(table.requests(each)).toBe(model.get(each) ?? 0);
            expect(table.size).toBe([...model.values()].filter((count) => count > 0).length);
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  test('counts keys without a place for its own thread, until they are gone', () => {
    const memory = SharedTable.allocate(1);
    const [one, other] = [new SharedTable(memory), new SharedTable(memory)];
    const many = keys(2_000);
    for (const key of many) change(one, key, 1);
    for (const key of many) expect(one.requests(key)).toBe(1);
    const placed = many.filter((key) => other.requests(key) === 1).length;
    // 64 sets of seven.
    expect(placed).toBeGreaterThan(400);
    expect(placed).toBeLessThanOrEqual(448);
    for (const key of many) change(one, key, -1);
    expect([one.size, other.size]).toEqual([0, 0]);
    for (const key of many) expect(one.requests(key)).toBe(0);
  });

  test('is unchanged and unlocked after a change that throws', () => {
    const memory = SharedTable.allocate(1);
    const table = new SharedTable(memory);
    change(table, 'a', 2);
    expect(() =>
      table.update('a', (record) => {
        record.requests = 100;
        throw new Error('refused');
      }),
    ).toThrow('refused');
    change(new SharedTable(memory), 'a', 1);
    expect(table.requests('a')).toBe(3);
  });

  test('has places for as many keys as it is made for', () => {
    const memory = SharedTable.allocate(10_000);
    const [one, other] = [new SharedTable(memory), new SharedTable(memory)];
    const many = keys(10_000);
    for (const key of many) change(one, key, 1);
    const placed = many.filter((key) => other.requests(key) === 1).length;
    expect(placed).toBeGreaterThan(9_990);
  });
});
