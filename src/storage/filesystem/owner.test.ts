import { afterAll, expect, test } from 'bun:test';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanUp, temporaryFolder } from '../../../test/support/server.ts';
import { StoreRefused } from '../prepare.ts';
import { requireOwner } from './owner.ts';

afterAll(cleanUp);

const OTHER = 54_321;

function store(owner: number): string {
  if (process.getuid?.() !== 0) throw new Error('this test makes files of other users: run it as root');
  const root = temporaryFolder('owner');
  mkdirSync(join(root, 'tmp'));
  writeFileSync(join(root, 'format'), '{}');
  chownSync(join(root, 'format'), owner, owner);
  return root;
}

test('a store of another user is refused, and nothing stays of the look', () => {
  const root = store(OTHER);
  expect(() => requireOwner(root)).toThrow(StoreRefused);
  expect(() => requireOwner(root)).toThrow(
    `the data folder ${root} belongs to the user ${OTHER}, who could not use what this process writes as root (0): run it with sudo -u '#${OTHER}' (in a container: --user ${OTHER})`,
  );
  expect(readdirSync(join(root, 'tmp'))).toEqual([]);
});

test('a user is called by its name', () => {
  expect(() => requireOwner(store(65_534))).toThrow(/belongs to nobody \(65534\).* sudo -u nobody /);
});

test('where the file system gives new files to the owner, whoever makes them, it is not refused', () => {
  expect(() => requireOwner(store(OTHER), () => OTHER)).not.toThrow();
});

test("one's own store is not refused in a mount point of someone else, and an empty folder is anyone's", () => {
  const root = store(0);
  chownSync(root, OTHER, OTHER);
  chmodSync(root, 0o777);
  const empty = temporaryFolder('empty');
  chownSync(empty, OTHER, OTHER);
  for (const each of [root, empty, join(empty, 'none')]) expect(() => requireOwner(each)).not.toThrow();
  expect(existsSync(join(empty, 'none'))).toBe(false);
  expect(statSync(root).uid).toBe(OTHER);
});
