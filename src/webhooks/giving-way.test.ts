import { describe, expect, test } from 'bun:test';
import { GivingWay } from './giving-way.ts';

const never = new AbortController().signal;

/** On a clock that moves while somebody sleeps. */
function onClock(isBusy: () => boolean) {
  const clock = { now: 1_000 };
  const givingWay = new GivingWay({
    isBusy,
    steadyNow: () => clock.now,
    sleep: async (milliseconds) => {
      clock.now += milliseconds;
    },
  });
  return { clock, givingWay };
}

describe('deliveries', () => {
  test('begin at once while the process is not busy', async () => {
    const { clock, givingWay } = onClock(() => false);
    for (let turn = 0; turn < 10_000; turn++) await givingWay.turn(8, 0, never);
    expect(clock.now).toBe(1_000);
  });

  test('begin at a thousand a second while it is, however they are grouped', async () => {
    for (const count of [1, 3, 8, 100]) {
      const { clock, givingWay } = onClock(() => true);
      for (let begun = 0; begun < 5_000; begun += count) await givingWay.turn(count, 0, never);
      expect(clock.now - 1_000).toBeWithin(4_800, 5_200);
    }
  });

  test('of a webhook that has fallen far behind begin at once', async () => {
    const { clock, givingWay } = onClock(() => true);
    for (let turn = 0; turn < 1_000; turn++) await givingWay.turn(8, 30_000, never);
    expect(clock.now).toBe(1_000);
  });

  test('of all webhooks share the turns: none waits for more than those that were there before it', async () => {
    const slept: number[] = [];
    const givingWay = new GivingWay({
      isBusy: () => true,
      steadyNow: () => 0,
      sleep: async (milliseconds) => void slept.push(milliseconds),
    });
    for (let webhook = 0; webhook < 100; webhook++) await givingWay.turn(8, 0, never);
    expect(slept).toHaveLength(97);
    expect(Math.max(...slept)).toBe(792);
  });
});
