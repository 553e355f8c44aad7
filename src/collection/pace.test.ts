import { describe, expect, test } from 'bun:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createPacer } from './pace.ts';

/** A clock by hand, and rests that end when the test says so. */
function byHand() {
  let time = 0;
  const resting: (() => void)[] = [];
  let rests = 0;
  const rest = (): Promise<void> => {
    rests++;
    return new Promise((resolve) => resting.push(resolve));
  };
  return {
    yieldToRequests: createPacer({ now: () => time, rest, busy: 10 }),
    pass: (milliseconds: number) => {
      time += milliseconds;
    },
    wake: () => {
      for (const each of resting.splice(0)) each();
    },
    rests: () => rests,
  };
}

describe('a pacer', () => {
  test('rests after each stretch of work, not before', async () => {
    const { yieldToRequests, pass, wake, rests } = byHand();
    for (let round = 0; round < 3; round++) {
      for (let piece = 0; piece < 9; piece++) {
        pass(1);
        await yieldToRequests();
      }
      expect(rests()).toBe(round);
      pass(1);
      const rested = yieldToRequests();
      await nextTurn();
      expect(rests()).toBe(round + 1);
      // The rest itself is no work.
      pass(100);
      wake();
      await rested;
    }
  });

  test('lets concurrent tasks rest together, also one that joins meanwhile', async () => {
    const { yieldToRequests, pass, wake, rests } = byHand();
    pass(10);
    const ended: number[] = [];
    const together = [0, 1, 2].map(async (one) => {
      await yieldToRequests();
      ended.push(one);
    });
    await Bun.sleep(1);
    expect([rests(), ended]).toEqual([1, []]);
    wake();
    await Promise.all(together);
    expect([rests(), ended.length]).toEqual([1, 3]);
  });

  test('wakes them one by one, and no more than fit before the next rest', async () => {
    const { yieldToRequests, pass, wake, rests } = byHand();
    pass(10);
    const woken: number[] = [];
    const together = [0, 1, 2, 3, 4].map(async () => {
      await yieldToRequests();
      // What was there already is no wait.
      for (let hop = 0; hop < 20; hop++) await null;
      pass(4);
      woken.push(rests());
    });
    for (const rest of [1, 2]) {
      await nextTurn();
      expect(rests()).toBe(rest);
      wake();
    }
    await Promise.all(together);
    // Three times 4 milliseconds are more than 10.
    expect(woken).toEqual([1, 1, 1, 2, 2]);
  });

  test('rejects every waiting task if a rest fails', async () => {
    const failure = new Error('no more');
    const yieldToRequests = createPacer({
      now: () => performance.now(),
      rest: () => Promise.reject(failure),
      busy: 0,
    });
    const ends = await Promise.allSettled([yieldToRequests(), yieldToRequests()]);
    expect(ends.map((end) => end.status === 'rejected' && end.reason)).toEqual([failure, failure]);
    await expect(yieldToRequests()).rejects.toBe(failure);
  });
});
