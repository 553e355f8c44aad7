import { expect, test } from 'bun:test';
import { Displaced, FairSemaphore } from './fair-semaphore.ts';

const forever = new AbortController().signal;

test('a client with many requests delays another client by a single turn', async () => {
  const semaphore = new FairSemaphore(1);
  const order: string[] = [];
  const run = async (client: string, name: string): Promise<void> => {
    const release = await semaphore.acquire(client, forever);
    order.push(name);
    await Bun.sleep(0);
    release();
  };
  const greedy = [0, 1, 2, 3, 4, 5].map((number) => run('greedy', `greedy ${number}`));
  const others = ['a', 'b', 'a'].map((client, number) => run(client, `${client} ${number}`));
  expect([semaphore.waiting, semaphore.waitingOf('greedy'), semaphore.waitingOf('a')]).toEqual([8, 5, 2]);
  await Promise.all([...greedy, ...others]);
  expect(order).toEqual([
    ...['greedy 0', 'greedy 1', 'a 0', 'b 1', 'greedy 2', 'a 2', 'greedy 3', 'greedy 4', 'greedy 5'],
  ]);
  expect([semaphore.waiting, semaphore.waitingOf('greedy')]).toEqual([0, 0]);
});

test('a cancelled request leaves the queue, and no permit is lost', async () => {
  const semaphore = new FairSemaphore(2);
  const held = [semaphore.tryAcquire(), semaphore.tryAcquire()];
  expect(semaphore.tryAcquire()).toBeUndefined();
  const gone = new AbortController();
  const waiting = semaphore.acquire('a', gone.signal);
  const next = semaphore.acquire('a', forever);
  gone.abort(new Error('too late'));
  await expect(waiting).rejects.toThrow('too late');
  expect([semaphore.waiting, semaphore.waitingOf('a')]).toEqual([1, 1]);
  for (const release of held) {
    release?.();
    release?.();
  }
  (await next)();
  expect(
    [semaphore.tryAcquire(), semaphore.tryAcquire(), semaphore.tryAcquire()].map((each) => each !== undefined),
  ).toEqual([...[true, true, false]]);
});

test('a client with fewer requests takes a place from the one with the most, until they have the same share', async () => {
  const semaphore = new FairSemaphore(1);
  semaphore.tryAcquire();
  const waiting = (client: string) => semaphore.acquire(client, forever);
  const [a, b] = [['a1', 'a2', 'a3', 'a4'].map(() => waiting('a')), ['b1', 'b2'].map(() => waiting('b'))];
  expect(semaphore.makeRoom('c')).toBe(true);
  await expect(a[3]).rejects.toThrow(Displaced);
  const c = [waiting('c')];
  expect(semaphore.makeRoom('c')).toBe(true);
  await expect(a[2]).rejects.toThrow(Displaced);
  c.push(waiting('c'));
  // Each has two now.
  expect([semaphore.makeRoom('c'), semaphore.makeRoom('a')]).toEqual([false, false]);
  expect(['a', 'b', 'c'].map((client) => semaphore.waitingOf(client))).toEqual([2, 2, 2]);
  expect(semaphore.makeRoom('d')).toBe(true);
  await expect(a[1]).rejects.toThrow(Displaced);
  expect(semaphore.waiting).toBe(5);
  expect(b).toHaveLength(2);
});
