import { expect, test } from 'bun:test';
import { Freshness } from './freshness.ts';

function opened(poll: (signal: AbortSignal) => Promise<void>) {
  const clock = { now: 1_000 };
  const told: string[] = [];
  const freshness = new Freshness({
    ...{ poll, now: () => clock.now, onFresh: () => told.push('fresh') },
    onStale: (error) => told.push(String(error)),
  });
  return { clock, told, freshness };
}

test('the age counts from the beginning of the last successful poll', async () => {
  const { clock, freshness } = opened(async () => {
    clock.now += 300;
  });
  expect(freshness.age).toBe(Number.POSITIVE_INFINITY);
  await freshness.poll();
  expect(freshness.age).toBe(300);
  clock.now += 2_000;
  expect(freshness.age).toBe(2_300);
});

test('an outage is reported once when it begins and once when it ends', async () => {
  let isDown = false;
  const { clock, told, freshness } = opened(async () => {
    if (isDown) throw new Error('no store');
  });
  await freshness.poll();
  isDown = true;
  clock.now += 2_000;
  for (let n = 0; n < 3; n++) await freshness.poll();
  expect(freshness.age).toBe(2_000);
  isDown = false;
  for (let n = 0; n < 3; n++) await freshness.poll();
  expect(freshness.age).toBe(0);
  expect(told).toEqual(['Error: no store', 'fresh']);
});

test('a poll that never ends is reported, and no other begins before it ends', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let polls = 0;
  const { clock, told, freshness } = opened(async () => {
    if (++polls === 2) await promise;
  });
  await freshness.poll();
  const waiting = freshness.poll();
  for (let n = 0; n < 6; n++) {
    clock.now += 2_000;
    await freshness.poll();
  }
  expect([polls, freshness.age]).toEqual([2, 12_000]);
  expect(told).toEqual(['Error: the store does not respond']);
  resolve();
  await waiting;
  // It began before the outage, so what it read is as old as that.
  expect(freshness.age).toBe(12_000);
  await freshness.poll();
  expect(freshness.age).toBe(0);
});

test('catching up polls at once, and again if the poll in progress looked too early', async () => {
  const early = Promise.withResolvers<void>();
  let [polls, isBehind] = [0, true];
  const { freshness } = opened(async () => {
    if (++polls === 1) await early.promise;
    else isBehind = false;
  });
  const running = freshness.poll();
  const both = [freshness.catchUp(() => isBehind), freshness.catchUp(() => isBehind)];
  expect(polls).toBe(1);
  early.resolve();
  await Promise.all([running, ...both]);
  expect([polls, isBehind]).toEqual([2, false]);
  await freshness.catchUp(() => isBehind);
  expect(polls).toBe(2);
});

test('catching up ends with the first poll that fails, and when a poll takes too long', async () => {
  let polls = 0;
  const failing = opened(async () => {
    polls++;
    throw new Error('no store');
  });
  await failing.freshness.catchUp(() => true);
  expect([polls, failing.freshness.isStale]).toEqual([1, true]);
  const hanging = opened(() => new Promise(() => {}));
  const begin = performance.now();
  await hanging.freshness.catchUp(() => true);
  expect(performance.now() - begin).toBeWithin(2_400, 30_000);
});
