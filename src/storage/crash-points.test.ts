import { afterAll, afterEach, expect, spyOn, test } from 'bun:test';
import { CRASH_POINTS, crashAt, noCrash } from './crash-points.ts';

const kill = spyOn(process, 'kill').mockImplementation(() => true);
afterEach(() => kill.mockClear());
afterAll(() => kill.mockRestore());

test('the process is killed when its point is reached for the given time, not before and not elsewhere', () => {
  const [point, ...others] = CRASH_POINTS;
  const reach = crashAt(point, 3);
  for (let time = 1; time <= 2; time++) {
    for (const other of others) reach(other);
    reach(point);
  }
  expect(kill).not.toHaveBeenCalled();
  reach(point);
  expect(kill.mock.calls).toEqual([[process.pid, 'SIGKILL']]);
});

test('without a crash point nothing happens', () => {
  for (const point of CRASH_POINTS) noCrash(point);
  expect(kill).not.toHaveBeenCalled();
  expect(new Set(CRASH_POINTS).size).toBe(CRASH_POINTS.length);
});
