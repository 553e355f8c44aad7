import { expect, test } from 'bun:test';
import { memoryTrimmer } from './memory.ts';

const MIB = 1024 * 1024;

/** @returns how often memory was given back by then, for each size (in MiB) that the process has in turn */
function givenBack(sizes: readonly number[], inUse: number): number[] {
  let [resident, times] = [sizes[0] ?? 0, 0];
  const giveBack = memoryTrimmer({
    resident: () => resident * MIB,
    collect: () => {
      resident = inUse;
      times++;
    },
  });
  return sizes.map((size) => {
    resident = size;
    giveBack();
    return times;
  });
}

test('memory is trimmed when the process has grown enough above its minimum', () => {
  expect(givenBack([100, 120, 132, 133], 100)).toEqual([0, 0, 0, 1]);
  expect(givenBack([100, 70, 102, 103], 100)).toEqual([0, 0, 0, 1]);
});

test('memory still in use after a trim is not trimmed again', () => {
  expect(givenBack([100, 150, 150, 182, 183], 150)).toEqual([0, 1, 1, 1, 2]);
});

test('a large process may grow by more', () => {
  expect(givenBack([800, 833, 900, 901], 800)).toEqual([0, 0, 0, 1]);
});
