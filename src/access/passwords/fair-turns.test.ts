import { expect, test } from 'bun:test';
import { FairTurns } from './fair-turns.ts';

const forever = new AbortController().signal;

test('a client with many waiters delays another one by a single turn', async () => {
  const turns = new FairTurns(1);
  const order: string[] = [];
  const run = async (client: string, name: string): Promise<void> => {
    const release = await turns.acquire(client, forever);
    order.push(name);
    await Bun.sleep(0);
    release();
  };
  const greedy = [0, 1, 2, 3, 4, 5].map((number) => run('greedy', `greedy ${number}`));
  const others = ['a', 'b', 'a'].map((client, number) => run(client, `${client} ${number}`));
  expect([turns.waiting, turns.waitingOf('greedy'), turns.waitingOf('a')]).toEqual([8, 5, 2]);
  await Promise.all([...greedy, ...others]);
  expect(order).toEqual([
    ...['greedy 0', 'greedy 1', 'a 0', 'b 1', 'greedy 2', 'a 2', 'greedy 3', 'greedy 4', 'greedy 5'],
  ]);
  expect([turns.waiting, turns.waitingOf('greedy')]).toEqual([0, 0]);
});

test('who gives up leaves its place, and no permit is lost', async () => {
  const turns = new FairTurns(2);
  const held = [turns.tryAcquire(), turns.tryAcquire()];
  expect(turns.tryAcquire()).toBeUndefined();
  const gone = new AbortController();
  const waiting = turns.acquire('a', gone.signal);
  const next = turns.acquire('a', forever);
  gone.abort(new Error('too late'));
  await expect(waiting).rejects.toThrow('too late');
  expect([turns.waiting, turns.waitingOf('a')]).toEqual([1, 1]);
  for (const release of held) {
    release?.();
    release?.();
  }
  (await next)();
  expect([turns.tryAcquire(), turns.tryAcquire(), turns.tryAcquire()].map((each) => each !== undefined)).toEqual([
    ...[true, true, false],
  ]);
});
