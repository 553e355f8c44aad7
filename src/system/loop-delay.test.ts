import { expect, test } from 'bun:test';
import { LoopDelay } from './loop-delay.ts';

/** A clock by hand, whose timers are late. */
function byHand() {
  const clock = { now: 0, timers: [] as { readonly at: number; readonly run: () => void }[] };
  const delay = new LoopDelay({
    now: () => clock.now,
    after: (milliseconds, run) => void clock.timers.push({ at: clock.now + milliseconds, run }),
  });
  /** Lets time pass, with each timer this late. */
  const pass = (milliseconds: number, late: number): void => {
    for (const end = clock.now + milliseconds; clock.now < end; ) {
      const timer = clock.timers.shift();
      clock.now = timer === undefined ? end : timer.at + late;
      timer?.run();
    }
  };
  return { clock, delay, pass };
}

test('the delay is that of the timers, on average over a fraction of a second', () => {
  const { delay, pass } = byHand();
  expect(delay.average).toBe(0);
  pass(1_000, 5);
  expect(delay.average).toBeCloseTo(5, 0);
  pass(100, 0);
  expect(delay.average).toBeWithin(2, 4);
  pass(1_000, 0);
  expect(delay.average).toBeLessThan(0.5);
});

test('one long wait is not a busy thread', () => {
  const { delay, pass } = byHand();
  expect(delay.average).toBe(0);
  pass(10, 15);
  pass(200, 0);
  expect(delay.average).toBeLessThan(1);
});

test('nothing is measured while nobody asks', () => {
  const { clock, delay, pass } = byHand();
  expect(clock.timers).toHaveLength(0);
  expect(delay.average).toBe(0);
  pass(10_000, 5);
  expect(clock.timers).toHaveLength(0);
  expect(delay.average).toBe(0);
  expect(clock.timers).toHaveLength(1);
});

test('the timers of a real thread are late while it is blocked', async () => {
  const delay = new LoopDelay();
  for (let turn = 0; turn < 20; turn++) {
    expect(delay.average).toBeGreaterThanOrEqual(0);
    const until = performance.now() + 60;
    while (performance.now() < until);
    await Bun.sleep(1);
  }
  expect(delay.average).toBeGreaterThan(10);
});
