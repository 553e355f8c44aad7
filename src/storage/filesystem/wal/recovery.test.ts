// What a process leaves that did not end in order is a copy of its folder here, made while it goes on.
import { afterAll, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { cpSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ulid } from 'ulid';
import { type OpenFolder, openTemporaryFolder } from '../../../../test/support/data-folder.ts';
import { cleanUp, temporaryFolder } from '../../../../test/support/server.ts';
import { noCrash } from '../../crash-points.ts';
import { StoreRefused } from '../../prepare.ts';
import type { FilesystemDriver } from '../driver.ts';
import { type DataFolder, openDataFolder } from '../folder.ts';

afterAll(cleanUp);

/** @param onRecovered is told how many objects were not there */
function openLeft(root: string, onRecovered: (objects: number) => void = () => {}): Promise<DataFolder> {
  const fatal = (reason: string, cause: unknown): never => {
    throw new Error(reason, { cause });
  };
  return openDataFolder(root, { uniqueName: () => ulid(), now: Date.now, reach: noCrash, fatal, onRecovered });
}

function leftBy({ root }: OpenFolder): string {
  const copy = temporaryFolder('left');
  cpSync(root, copy, { recursive: true });
  return copy;
}

function text(some: string): Uint8Array {
  return new TextEncoder().encode(some);
}

async function textOf(driver: FilesystemDriver, key: string): Promise<string> {
  return new TextDecoder().decode(await driver.read(key));
}

test('what is there is made anew: it may be in the page cache alone, refused by the disk', async () => {
  const folder = await openTemporaryFolder();
  try {
    const { driver } = folder;
    await driver.create('catalog/a', text('slot'));
    await (await driver.write('data/XX/a', text('data'))).durable;
    const copy = leftBy(folder);
    const inodes = (): number[] => ['catalog/a', 'data/XX/a'].map((key) => statSync(join(copy, key)).ino);
    const before = inodes();
    const told: number[] = [];
    const again = await openLeft(copy, (objects) => told.push(objects));
    for (const [index, inode] of inodes().entries()) expect(inode).not.toBe(before[index] ?? 0);
    expect([await textOf(again.driver, 'catalog/a'), await textOf(again.driver, 'data/XX/a')]).toEqual([
      'slot',
      'data',
    ]);
    // Nothing was missing.
    expect(told).toEqual([]);
    await again.close();
  } finally {
    await folder.close();
  }
});

test('an object of many bytes, made under a name that was removed a moment before, is there', async () => {
  const folder = await openTemporaryFolder();
  try {
    const { driver } = folder;
    const large = new Uint8Array(randomBytes(100_000));
    await driver.create('catalog/a', text('first'));
    await driver.delete(['catalog/a']);
    expect(await driver.create('catalog/a', large)).toBe('created');
    const after = await openLeft(leftBy(folder));
    expect(Buffer.compare((await after.driver.read('catalog/a')) ?? new Uint8Array(), large)).toBe(0);
    await after.close();
  } finally {
    await folder.close();
  }
});

test('what cannot be put in its place keeps the server from starting, in one line, and is not lost', async () => {
  const folder = await openTemporaryFolder();
  try {
    await folder.driver.create('repos/some/_log/1', text('slot'));
    const copy = leftBy(folder);
    rmSync(join(copy, 'repos', 'some'), { recursive: true });
    writeFileSync(join(copy, 'repos', 'some'), 'in its way');
    const refused: unknown = await openLeft(copy).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(StoreRefused);
    expect(String(refused)).toContain('cannot be put in its place (ENOTDIR)');
    rmSync(join(copy, 'repos', 'some'));
    const again = await openLeft(copy);
    expect(await textOf(again.driver, 'repos/some/_log/1')).toBe('slot');
    await again.close();
  } finally {
    await folder.close();
  }
});
