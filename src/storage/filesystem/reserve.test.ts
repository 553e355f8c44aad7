import { afterAll, expect, test } from 'bun:test';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestClock } from '../../../test/support/deterministic.ts';
import { cleanUp, temporaryFolder } from '../../../test/support/server.ts';
import { Reserve } from './reserve.ts';

const SIZE = 4 * 1024 * 1024;

afterAll(cleanUp);

function folderWithTmp(): { root: string; path: string } {
  const root = temporaryFolder('reserve');
  mkdirSync(join(root, 'tmp'));
  return { root, path: join(root, 'tmp', 'reserve') };
}

test('room is held, given up once, and taken back no sooner than ten seconds later', () => {
  const { root, path } = folderWithTmp();
  const clock = new TestClock();
  const reserve = new Reserve(root, clock.now);
  expect(statSync(path).size).toBe(SIZE);
  reserve.restore();
  expect([reserve.giveUp(), reserve.giveUp()]).toEqual([true, false]);
  expect(existsSync(path)).toBe(false);
  clock.advance(9_999);
  reserve.restore();
  expect(existsSync(path)).toBe(false);
  clock.advance(1);
  reserve.restore();
  expect(statSync(path).size).toBe(SIZE);
  expect(reserve.giveUp()).toBe(true);
});

test('one that an earlier process left whole is kept, one that it left torn is filled', () => {
  const whole = folderWithTmp();
  new Reserve(whole.root, Date.now);
  const before = statSync(whole.path);
  new Reserve(whole.root, Date.now);
  expect(statSync(whole.path).mtimeMs).toBe(before.mtimeMs);
  const torn = folderWithTmp();
  writeFileSync(torn.path, 'torn');
  new Reserve(torn.root, Date.now);
  expect(statSync(torn.path).size).toBe(SIZE);
});
