import { expect, test } from 'bun:test';
import { eventually } from '../../test/support/eventually.ts';
import { askOften, type News } from './doorbells.ts';

test('the bell rings for each new note, and an outage is reported once, also by later listeners', async () => {
  let answer: () => Promise<News> = async () => ({ newest: 1, hasHints: false });
  let asked = 0;
  const failures: unknown[] = [];
  const bell = askOften({
    look: async () => {
      asked++;
      return await answer();
    },
    onHints: () => expect.unreachable(),
    failed: (error) => failures.push(error),
  });
  let rings = 0;
  const stop = bell.listen(() => rings++);
  await eventually(() => expect(rings).toBe(1));
  answer = async () => ({ newest: 2, hasHints: false });
  await eventually(() => expect(rings).toBe(2));
  for (const outage of ['first', 'second']) {
    answer = () => Promise.reject(outage);
    const before = asked;
    await eventually(() => expect(asked).toBeGreaterThan(before + 1));
    const stopSecond = bell.listen(() => {});
    const between = asked;
    await eventually(() => expect(asked).toBeGreaterThan(between + 1));
    stopSecond();
    answer = async () => ({ newest: 2, hasHints: false });
    const after = asked;
    await eventually(() => expect(asked).toBeGreaterThan(after + 1));
  }
  stop();
  expect(failures).toEqual(['first', 'second']);
});
