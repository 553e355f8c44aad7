import { afterAll, describe, expect, test } from 'bun:test';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ulid } from 'ulid';
import { text } from '../../../test/contract/storage/store.ts';
import { type OpenFolder, openTemporaryFolder } from '../../../test/support/data-folder.ts';
import { cleanUp } from '../../../test/support/server.ts';
import type { Incarnation } from '../../oci/names.ts';
import { DATA, dataKey } from '../paths.ts';

const opened: OpenFolder[] = [];
afterAll(async () => {
  for (const folder of opened) await folder.close();
  await cleanUp();
});

/** Enough for threads of their own. */
const MANY = 1_000;

async function filled(): Promise<{ folder: OpenFolder; keys: string[] }> {
  const folder = await openTemporaryFolder();
  opened.push(folder);
  const keys = Array.from({ length: MANY }, () => dataKey(ulid() as Incarnation));
  for (const key of keys) await (await folder.driver.write(key, text('bytes'))).durable;
  return { folder, keys };
}

async function listed({ driver }: OpenFolder): Promise<string[]> {
  const found: string[] = [];
  for await (const { key, size } of driver.list(DATA)) {
    expect(size).toBe(5);
    found.push(key);
  }
  return found;
}

describe('of many objects', () => {
  test('those that are deleted are gone, missing ones count as deleted, and each failure is told', async () => {
    const { folder, keys } = await filled();
    const kept = keys.filter((_, n) => n % 10 === 0);
    const folders = [`${DATA}00/one`, `${DATA}ZZ/two`];
    for (const key of folders) mkdirSync(join(folder.root, key), { recursive: true });
    const missing = Array.from({ length: 20 }, () => dataKey(ulid() as Incarnation));
    const gone = keys.filter((_, n) => n % 10 !== 0);
    let breaths = 0;
    const failures = await folder.driver.delete([...gone, ...folders, ...missing], {
      breathe: async () => void breaths++,
    });
    expect(failures.map(({ key }) => key).sort()).toEqual(folders);
    expect(String(failures[0]?.cause)).toMatch(/EISDIR|EPERM|directory/);
    expect(breaths).toBeGreaterThan(1);
    expect(await listed(folder)).toEqual([...kept].sort((a, b) => (a < b ? -1 : 1)));
  });

  test('a listing that nobody goes on with leaves nothing behind', async () => {
    const { folder, keys } = await filled();
    const [first] = [...keys].sort((a, b) => (a < b ? -1 : 1));
    for await (const { key } of folder.driver.list(DATA)) {
      expect(key).toBe(first ?? '');
      break;
    }
    expect(await folder.driver.delete(keys)).toEqual([]);
    expect(await listed(folder)).toEqual([]);
  });

  test('a folder below a shelf, and what is beside the shelves, is listed in its place', async () => {
    const { folder, keys } = await filled();
    const odd = [`${DATA}00/folder/object`, `${DATA}0`, `${DATA}ZZZ`];
    for (const key of odd) await folder.driver.create(key, text('bytes'));
    expect(await listed(folder)).toEqual([...keys, ...odd].sort((a, b) => (a < b ? -1 : 1)));
  });
});
