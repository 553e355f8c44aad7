import { expect, test } from 'bun:test';
import { Budget } from './budget.ts';

/** A budget of 100 bytes, and its timers by their length. */
function world() {
  const timers = new Map<number, Set<() => void>>();
  const budget = new Budget(100, {
    sleep: (milliseconds, signal) =>
      new Promise((resolve) => {
        const set = timers.get(milliseconds) ?? new Set();
        timers.set(milliseconds, set.add(resolve));
        signal.addEventListener('abort', () => {
          set.delete(resolve);
          resolve();
        });
      }),
  });
  const taken: string[] = [];
  const take = (name: string, bytes: number, signal?: AbortSignal) =>
    budget.take(bytes, signal).then(
      () => taken.push(name),
      (error: Error) => taken.push(`${name}: ${error.message}`),
    );
  return {
    budget,
    taken,
    take,
    pass: async (milliseconds: number) => {
      const due = [...(timers.get(milliseconds) ?? [])];
      timers.set(milliseconds, new Set());
      for (const wake of due) wake();
      await Bun.sleep(0);
    },
    timers: () => [...timers].map(([milliseconds, set]) => [milliseconds, set.size]),
  };
}

test('a client that leaves frees its place in the queue, and waiters behind it that fit are served', async () => {
  const { budget, taken, take } = world();
  const leaving = new AbortController();
  await take('first', 60);
  void take('big', 80, leaving.signal);
  void take('small', 40);
  void take('smaller', 10);
  await Bun.sleep(0);
  expect({ taken, waiting: budget.waiting }).toEqual({ taken: ['first'], waiting: 3 });
  leaving.abort(new Error('the client left'));
  await Bun.sleep(0);
  expect(taken).toEqual(['first', 'big: the client left', 'small']);
  expect({ held: budget.held, waiting: budget.waiting }).toEqual({ held: 100, waiting: 1 });
  budget.give(60);
  await Bun.sleep(0);
  expect({ last: taken.at(-1), held: budget.held }).toEqual({ last: 'smaller', held: 50 });
  // Bytes that have come already get the room that is free, and do not wait for more.
  await budget.take(50, leaving.signal);
  await expect(budget.take(1, leaving.signal)).rejects.toThrow('the client left');
  expect({ held: budget.held, waiting: budget.waiting }).toEqual({ held: 100, waiting: 0 });
  budget.close();
});

test('a wait ends at its deadline with an error, and leaves no timer', async () => {
  const { budget, taken, take, pass, timers } = world();
  await take('first', 100);
  void take('second', 1);
  await pass(180_000);
  expect(taken).toEqual(['first', 'second: no memory for an upload became free within 180 s']);
  expect(budget.waiting).toBe(0);
  void take('third', 1);
  budget.give(100);
  await Bun.sleep(0);
  expect(taken.at(-1)).toBe('third');
  await pass(500);
  expect(timers()).toEqual([
    [180_000, 0],
    [500, 0],
  ]);
});

test('if nobody gets room, the holder that was idle longest is spilled', async () => {
  const { budget, taken, take, pass } = world();
  await take('first', 100);
  const spilled: string[] = [];
  for (const [name, reclaimable, touchedAt] of [
    ['busy', 0, 1],
    ['idle', 60, 2],
    ['lately', 40, 3],
  ] as const) {
    const spill = async (): Promise<void> => {
      spilled.push(name);
      budget.give(reclaimable);
    };
    budget.join({ reclaimable, touchedAt, spill });
  }
  void take('second', 50);
  await pass(500);
  expect({ spilled, last: taken.at(-1) }).toEqual({ spilled: ['idle'], last: 'second' });
  budget.close();
});
