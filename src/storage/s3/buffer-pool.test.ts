import { expect, test } from 'bun:test';
import { Budget } from './budget.ts';
import { BufferPool } from './buffer-pool.ts';
import { PartBuffer } from './part-buffer.ts';

const SIZE = 1024;

test('a returned buffer is reused while others are borrowed', () => {
  const pool = new BufferPool(SIZE);
  const [one] = [pool.borrow(), pool.borrow()];
  pool.giveBack(one, true);
  expect(pool.borrow()).toBe(one);
});

test('when the last buffer is returned all memory is freed, except that of a buffer that may still be read', () => {
  const pool = new BufferPool(SIZE);
  const [one, two, read] = [pool.borrow(), pool.borrow(), pool.borrow()];
  pool.giveBack(one, true);
  pool.giveBack(read, false);
  pool.giveBack(two, true);
  expect([one.length, two.length, read.length, pool.borrow().length]).toEqual([0, 0, SIZE, SIZE]);
});

test('the budget gets back the room of a part whose buffer was freed', async () => {
  const budget = new Budget(2 * SIZE, { sleep: () => Promise.resolve() });
  const part = new PartBuffer(budget, new BufferPool(SIZE), SIZE);
  await part.grow(SIZE, () => true);
  expect(budget.held).toBe(SIZE);
  part.clear();
  expect(budget.held).toBe(0);
});
