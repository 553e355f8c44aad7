import { expect, test } from 'bun:test';
import { Budget } from './budget.ts';
import { BufferPool } from './buffer-pool.ts';
import { PartBuffer } from './part-buffer.ts';

const SIZE = 1024;

test('a buffer that comes back is lent again while others are out', () => {
  const pool = new BufferPool(SIZE);
  const [one] = [pool.borrow(), pool.borrow()];
  pool.giveBack(one, true);
  expect(pool.borrow()).toBe(one);
});

test('the last one that comes back takes the memory of all with it, but not of one that somebody may still read', () => {
  const pool = new BufferPool(SIZE);
  const [one, two, read] = [pool.borrow(), pool.borrow(), pool.borrow()];
  pool.giveBack(one, true);
  pool.giveBack(read, false);
  pool.giveBack(two, true);
  expect([one.length, two.length, read.length, pool.borrow().length]).toEqual([0, 0, SIZE, SIZE]);
});

test('the budget gets the room of a part back whose memory went with it', async () => {
  const budget = new Budget(2 * SIZE, { sleep: () => Promise.resolve() });
  const part = new PartBuffer(budget, new BufferPool(SIZE), SIZE);
  await part.grow(SIZE, () => true);
  expect(budget.held).toBe(SIZE);
  part.clear();
  expect(budget.held).toBe(0);
});
