import { expect, test } from 'bun:test';
import { secondOf } from '../../past/moment.ts';
import { stepsOf } from './load-travel.ts';

const marks = [1_000, 1_500, 3_000, 7_200].map((at) => ({ at }));

test.each([
  [500, undefined, 1_000],
  [1_000, undefined, 3_000],
  [2_000, undefined, 3_000],
  [3_000, 1_000, 7_000],
  [5_000, 1_000, 7_000],
  [7_000, 3_000, undefined],
  [9_000, 3_000, undefined],
])('from %p ms one goes back to %p and on to %p', (at, earlier, later) => {
  const moment = (time: number | undefined) => (time === undefined ? undefined : secondOf(time));
  expect(stepsOf(marks, secondOf(at))).toEqual({ earlier: moment(earlier), later: moment(later) });
});

test('where nothing changed one can go nowhere', () => {
  expect(stepsOf([], secondOf(0))).toEqual({ earlier: undefined, later: undefined });
});
