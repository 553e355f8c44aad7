import { expect, test } from 'bun:test';
import { countingIncarnations, TestClock } from '../../../test/support/deterministic.ts';
import { noCrash } from '../../storage/crash-points.ts';
import { MemoryDriver } from '../../storage/memory/driver.ts';
import { RobotsHead } from './head.ts';
import { RobotsLog } from './log.ts';
import type { RobotName } from './robot.ts';
import type { SecretHash } from './secret.ts';
import { RobotsView } from './view.ts';

test('only rises', () => {
  const memory = RobotsHead.allocate();
  const [one, other] = [new RobotsHead(memory), new RobotsHead(memory)];
  const seen = [];
  for (const seq of [3, 2, 3, 7, 0]) {
    one.raise(seq);
    seen.push(other.seq);
  }
  expect(seen).toEqual([3, 3, 3, 7, 7]);
});

test('a view is behind from when another one has a slot until it has read it', async () => {
  const [driver, clock, memory] = [new MemoryDriver(), new TestClock(), RobotsHead.allocate()];
  const log = new RobotsLog({
    ...{ driver, now: clock.now, sleep: clock.sleep, newId: countingIncarnations(clock.now, 0) },
    ...{ node: 'node', reach: noCrash, snapshotFailed: (error) => expect.unreachable(String(error)) },
  });
  const views = [0, 1].map(() => new RobotsView(driver, new RobotsHead(memory)));
  const behind = () => views.map(({ isBehind }) => isBehind);
  for (const name of ['a', 'b']) {
    await log.change(name as RobotName, { kind: 'create', secret: '0'.repeat(64) as SecretHash }, 'operator:1000');
    expect(behind()).toEqual([false, false]);
    await views[0]?.refresh();
    expect(behind()).toEqual([false, true]);
    await views[1]?.refresh();
    expect(behind()).toEqual([false, false]);
  }
});
