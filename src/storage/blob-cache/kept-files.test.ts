import { expect, test } from 'bun:test';
import { countingIncarnations, TestClock } from '../../../test/support/deterministic.ts';
import type { Incarnation } from '../../oci/names.ts';
import { KeptFiles } from './kept-files.ts';

const clock = new TestClock();
const newId = countingIncarnations(clock.now);
const [a, b, c] = [newId(), newId(), newId()] as [Incarnation, Incarnation, Incarnation];

function three(mostFiles?: number): KeptFiles {
  const kept = new KeptFiles(clock.now, mostFiles);
  for (const inc of [a, b, c]) {
    kept.add({ inc, size: 10 });
    clock.advance(1_000);
  }
  return kept;
}

const namesOf = ({ files }: ReturnType<KeptFiles['victims']>): Incarnation[] => files.map(({ inc }) => inc);

test('the least recently used files are evicted first, as many as needed', () => {
  const kept = three();
  clock.advance(60_000);
  expect(namesOf(kept.victims(11))).toEqual([a, b]);
  expect(kept.victims(0)).toEqual({ files: [], enough: true });
  kept.use(a);
  kept.remove(b);
  expect([kept.bytes, kept.has(b)]).toEqual([20, false]);
  clock.advance(60_000);
  expect(namesOf(kept.victims(20))).toEqual([c, a]);
});

test('files used a moment ago stay, even if too little is freed', () => {
  const kept = three();
  clock.advance(28_000);
  kept.use(b);
  expect(kept.victims(30)).toEqual({ files: [{ inc: a, size: 10 }], enough: false });
});

test('files of an earlier process are evicted in their order, without a delay', () => {
  const kept = new KeptFiles(clock.now);
  for (const inc of [b, a]) kept.adopt({ inc, size: 7 });
  kept.add({ inc: c, size: 7 });
  expect(kept.victims(100)).toEqual({
    files: [
      { inc: b, size: 7 },
      { inc: a, size: 7 },
    ],
    enough: false,
  });
});

test('the number of files is bounded, however small they are', () => {
  const kept = three(3);
  clock.advance(60_000);
  expect(namesOf(kept.victims(0))).toEqual([a]);
});

test('a file that is added again counts once', () => {
  const kept = three();
  kept.add({ inc: a, size: 10 });
  expect(kept.bytes).toBe(30);
});
