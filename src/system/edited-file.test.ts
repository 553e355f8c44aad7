import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { editFile } from './edited-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'marina-edited-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('a missing file is created only on request', async () => {
  const path = join(folder, 'missing');
  await expect(editFile(path, { create: false }, () => 'x')).rejects.toMatchObject({ code: 'ENOENT' });
  expect(readdirSync(folder)).toEqual([]);
  await editFile(path, { create: true }, (text) => `${text}x`);
  expect(readFileSync(path, 'utf8')).toBe('x');
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('an edit that returns nothing, or throws, leaves the file unchanged and no other file', async () => {
  const path = join(folder, 'kept');
  writeFileSync(path, 'old');
  const { ino } = statSync(path);
  await editFile(path, { create: false }, () => undefined);
  const failure = new Error('no');
  const throwing = editFile(path, { create: false }, () => {
    throw failure;
  });
  await expect(throwing).rejects.toBe(failure);
  expect(statSync(path).ino).toBe(ino);
  expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

test('concurrent edits wait for each other', async () => {
  const path = join(folder, 'shared');
  await Promise.all(Array.from({ length: 20 }, (_, n) => editFile(path, { create: true }, (text) => `${text}${n}\n`)));
  const numbers = readFileSync(path, 'utf8').trimEnd().split('\n').map(Number);
  expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n));
});
