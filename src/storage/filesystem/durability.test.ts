import { afterAll, describe, expect, test } from 'bun:test';
import { closeSync, existsSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanUp, temporaryFolder } from '../../../test/support/server.ts';
import { codeOf, Durability, isFull, isMissing, storageFull } from './durability.ts';

afterAll(cleanUp);

class Ended extends Error {}
const fatal = (reason: string, cause: unknown): never => {
  throw new Ended(reason, { cause });
};

describe('durability', () => {
  test('folders are made with their parents, and made again once they are forgotten', async () => {
    const root = temporaryFolder('durability');
    const durability = new Durability(fatal);
    const path = join(root, 'a', 'b', 'c');
    await Promise.all(Array.from({ length: 5 }, () => durability.ensureFolder(path, root)));
    expect(existsSync(path)).toBe(true);
    rmSync(path, { recursive: true });
    durability.forgetFolder(path);
    await durability.ensureFolder(path, root);
    expect(existsSync(path)).toBe(true);
  });

  test('many syncs of one folder at once all end, as do those that come while one is running', async () => {
    const root = temporaryFolder('durability');
    const durability = new Durability(fatal);
    const waves = Array.from({ length: 30 }, async (_, index) => {
      for (let wave = 0; wave < 4; wave++) {
        writeFileSync(join(root, `${index}-${wave}`), '');
        await durability.folder(root);
      }
    });
    await Promise.all(waves);
  });

  test('a file that cannot be synced ends the process', async () => {
    const root = temporaryFolder('durability');
    writeFileSync(join(root, 'file'), 'x');
    const descriptor = openSync(join(root, 'file'), 'r');
    const durability = new Durability(fatal);
    await durability.file(descriptor);
    await durability.file(descriptor, 'data');
    closeSync(descriptor);
    await expect(durability.file(descriptor)).rejects.toThrow(Ended);
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
