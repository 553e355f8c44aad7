import { afterAll, expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { text, textOf } from '../../../test/contract/storage/store.ts';
import { openTemporaryFolder } from '../../../test/support/data-folder.ts';
import { cleanUp, temporaryFolder } from '../../../test/support/server.ts';
import { NoStore } from '../prepare.ts';
import { openFolderReadOnly } from './folder-reader.ts';

afterAll(cleanUp);

test('a reader beside a running server sees what that wrote', async () => {
  const { root, driver, close } = await openTemporaryFolder();
  const reader = await openFolderReadOnly(root);
  await driver.create('catalog/a', text('seen'));
  expect(await textOf(reader, 'catalog/a')).toBe('seen');
  expect(await reader.read('catalog/b')).toBeUndefined();
  expect(await Array.fromAsync(reader.list('catalog/'))).toEqual([{ key: 'catalog/a', size: 4 }]);
  await close();
});

test('a folder without a store is refused, and nothing is written to it', async () => {
  const empty = temporaryFolder('reader');
  const refusal = await openFolderReadOnly(empty).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(NoStore);
  expect(readdirSync(empty)).toEqual([]);
});
