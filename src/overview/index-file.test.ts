import { expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { raise } from '../../test/support/raise.ts';
import { IndexFile } from './index-file.ts';

test('all its files are private, whatever the umask', () => {
  const below = mkdtempSync(join(tmpdir(), 'index-file-'));
  const umask = process.umask(0);
  const file = new IndexFile(below, '01DEF', raise);
  process.umask(umask);
  file.writer.exec('CREATE TABLE more (value TEXT); INSERT INTO more VALUES (1)');
  const folder = dirname(file.path);
  const modes = readdirSync(folder).map((name) => [name, (statSync(join(folder, name)).mode & 0o777).toString(8)]);
  expect(Object.fromEntries(modes)).toEqual({ index: '600', 'index-shm': '600', 'index-wal': '600' });
  file.close();
  rmSync(below, { recursive: true });
});

test('the file is in a folder of its own that only its owner may read, and goes with it', () => {
  const below = mkdtempSync(join(tmpdir(), 'index-file-'));
  const dead = Bun.spawnSync(['true']).pid;
  mkdirSync(join(below, `marina-index-01ABC-${dead}`, 'inside'), { recursive: true });
  mkdirSync(join(below, 'marina-index-of-somebody'));
  const file = new IndexFile(below, '01DEF', raise);
  expect(statSync(dirname(file.path)).mode & 0o777).toBe(0o700);
  expect(readdirSync(below).sort()).toEqual([`marina-index-01DEF-${process.pid}`, 'marina-index-of-somebody']);
  file.close();
  expect(readdirSync(below)).toEqual(['marina-index-of-somebody']);
  rmSync(below, { recursive: true });
});
