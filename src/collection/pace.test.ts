import { describe, expect, test } from 'bun:test';
import { paceOf } from './pace.ts';

/** A clock and an event loop by hand. */
function byHand() {
  let time = 0;
  let rests = 0;
  let waiting: (() => void)[] = [];
  const breathe = paceOf({
    now: () => time,
    rest: async () => void rests++,
    afterOthers: (tell) => void waiting.push(tell),
    busy: 10,
  });
  return {
    breathe,
    work: (milliseconds: number) => {
      time += milliseconds;
    },
    /** Others have their turn while the work waits. */
    wait: (milliseconds: number) => {
      time += milliseconds;
      const told = waiting;
      waiting = [];
      for (const tell of told) tell();
    },
    rests: () => rests,
  };
}

describe('a pace', () => {
  test('rests when work went on for long enough, and then not before it did again', async () => {
    const { breathe, work, rests } = byHand();
    await breathe();
    for (let n = 0; n < 9; n++) {
      work(1);
      await breathe();
    }
    expect(rests()).toBe(0);
    work(1);
    await breathe();
    expect(rests()).toBe(1);
    work(9);
    await breathe();
    expect(rests()).toBe(1);
    work(1);
    await breathe();
    expect(rests()).toBe(2);
  });

  test('does not count what the work waits for, but all that it does before and after', async () => {
    const { breathe, work, wait, rests } = byHand();
    for (let n = 0; n < 4; n++) {
      await breathe();
      work(2);
      await breathe();
      wait(100);
    }
    await breathe();
    expect(rests()).toBe(0);
    work(2);
    await breathe();
    expect(rests()).toBe(1);
  });

  test('has those who work beside each other rest together', async () => {
    const { breathe, work, rests } = byHand();
    await breathe();
    work(10);
    await Promise.all([breathe(), breathe(), breathe()]);
    expect(rests()).toBe(1);
  });
});
