import { afterAll, expect, test } from 'bun:test';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanUp, temporaryFolder } from '../../../test/support/server.ts';
import { Reserve } from './reserve.ts';

const SIZE = 4 * 1024 * 1024;

afterAll(cleanUp);

function folderWithTmp(): { root: string; path: string } {
  const root = temporaryFolder('reserve');
  mkdirSync(join(root, 'tmp'));
  return { root, path: join(root, 'tmp', 'reserve') };
}

test('space is reserved, freed, and reserved again as soon as there is enough', () => {
  const { root, path } = folderWithTmp();
  const reserve = new Reserve(root, Date.now);
  expect(statSync(path).size).toBe(SIZE);
  reserve.restore();
  reserve.free();
  reserve.free();
  expect(existsSync(path)).toBe(false);
  expect(reserve.admits()).toBe(true);
  expect(statSync(path).size).toBe(SIZE);
  reserve.free();
  reserve.restore();
  expect(statSync(path).size).toBe(SIZE);
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
