import { describe, expect, test } from 'bun:test';
import { Attempt } from './attempt.ts';

const LATE = new Error('late');

describe('an attempt', () => {
  test('gives the result of its work, and does not end it', async () => {
    const attempt = new Attempt();
    const ended: unknown[] = [];
    expect(
      await attempt.during(
        async () => 1,
        (reason) => ended.push(reason),
      ),
    ).toBe(1);
    expect(await attempt.race(Promise.resolve(2))).toBe(2);
    // Its work is over.
    attempt.end(LATE);
    expect(ended).toEqual([]);
  });

  test('ends the work that goes on, once, with the reason', async () => {
    const attempt = new Attempt();
    const { promise, reject } = Promise.withResolvers<never>();
    const work = attempt.during(() => promise, reject);
    attempt.end(LATE);
    attempt.end(new Error('later'));
    await expect(work).rejects.toBe(LATE);
    expect(attempt.hasEnded).toBe(true);
  });

  test('that has ended begins no work', async () => {
    const attempt = new Attempt();
    attempt.end(LATE);
    let hasBegun = false;
    const work = async (): Promise<void> => {
      hasBegun = true;
    };
    await expect(attempt.during(work, () => {})).rejects.toBe(LATE);
    await expect(attempt.race(new Promise(() => {}))).rejects.toBe(LATE);
    expect(hasBegun).toBe(false);
  });
});
