import { afterAll, describe, expect, test } from 'bun:test';
import { closeSync, existsSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanUp, temporaryFolder } from '../../../test/support/server.ts';
import { codeOf } from '../../system/error-code.ts';
import { DiskSync } from './disk-sync.ts';
import { isFull, isMissing, storageFull } from './system-errors.ts';

afterAll(cleanUp);

class Ended extends Error {}
const fatal = (reason: string, cause: unknown): never => {
  throw new Ended(reason, { cause });
};

describe('disk sync', () => {
  test('folders are made with their parents, and made again once they are forgotten', async () => {
    const root = temporaryFolder('disk-sync');
    const diskSync = new DiskSync(fatal);
    const path = join(root, 'a', 'b', 'c');
    await Promise.all(Array.from({ length: 5 }, () => diskSync.ensureFolder(path, root)));
    expect(existsSync(path)).toBe(true);
    rmSync(path, { recursive: true });
    diskSync.forgetFolder(path);
    await diskSync.ensureFolder(path, root);
    expect(existsSync(path)).toBe(true);
  });

  test('many syncs of one folder at once all end, as do those that come while one is running', async () => {
    const root = temporaryFolder('disk-sync');
    const diskSync = new DiskSync(fatal);
    const waves = Array.from({ length: 30 }, async (_, index) => {
      for (let wave = 0; wave < 4; wave++) {
        writeFileSync(join(root, `${index}-${wave}`), '');
        await diskSync.folder(root);
      }
    });
    await Promise.all(waves);
  });

  test('a file that cannot be synced ends the process', async () => {
    const root = temporaryFolder('disk-sync');
    writeFileSync(join(root, 'file'), 'x');
    const descriptor = openSync(join(root, 'file'), 'r');
    const diskSync = new DiskSync(fatal);
    await diskSync.file(descriptor);
    await diskSync.file(descriptor, 'data');
    closeSync(descriptor);
    // Not that descriptor: another file of this process may have got its number.
    const unsyncable = openSync('/dev/null', 'r');
    await expect(diskSync.file(unsyncable)).rejects.toThrow(Ended);
    closeSync(unsyncable);
  });

  test('errors of the system are told apart by their code', () => {
    const errors = ['ENOENT', 'ENOTDIR', 'ENOSPC', 'EDQUOT', 'EACCES'].map((code) =>
      Object.assign(new Error(), { code }),
    );
    expect(errors.map(isMissing)).toEqual([true, true, false, false, false]);
    expect(errors.map(isFull)).toEqual([false, false, true, true, false]);
    for (const odd of [undefined, null, 'ENOENT', {}, { code: 1 }]) expect(codeOf(odd)).toBeUndefined();
    expect(storageFull(errors[2])).toMatchObject({ kind: 'storage-full', cause: errors[2] });
  });
});
