import { afterAll, describe, expect, test } from 'bun:test';
import { mkdirSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ulid } from 'ulid';
import { freshPlace, random, text, textOf } from '../../../test/contract/storage/store.ts';
import { type OpenFolder, openTemporaryFolder } from '../../../test/support/data-folder.ts';
import { cleanUp, temporaryFolder } from '../../../test/support/server.ts';
import { digestOf } from '../../oci/digest.ts';
import { noCrash } from '../crash-points.ts';
import { stagedKey } from '../paths.ts';
import { StoreRefused } from '../prepare.ts';
import { openDataFolder } from './folder.ts';
import { FolderLock } from './lock.ts';

const MIB = 1024 * 1024;
const opened: OpenFolder[] = [];
afterAll(async () => {
  for (const folder of opened) await folder.close();
  await cleanUp();
});

async function open(): Promise<OpenFolder> {
  const folder = await openTemporaryFolder();
  opened.push(folder);
  return folder;
}

const options = {
  uniqueName: () => ulid(),
  now: Date.now,
  reach: noCrash,
  fatal: (reason: string): never => {
    throw new Error(reason);
  },
};

function isHeld(root: string): boolean {
  const lock = FolderLock.take(root);
  lock?.release();
  return lock === undefined;
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(StoreRefused);
  const message = error instanceof Error ? error.message : '';
  expect(message).not.toContain('\n');
  return message;
}

describe('a data folder', () => {
  test('opened again has everything, and a staged object is gone on with, hashed right', async () => {
    const folder = await open();
    const place = freshPlace();
    const [one, two] = [random(1_500_000), random(700_000)];
    await folder.driver.create('catalog/a', text('kept'));
    const write = await folder.driver.stage(place, 0, 'sha512');
    await write.write(one.slice());
    await write.settle();
    await write.release();
    const driver = await folder.reopen();
    expect(await textOf(driver, 'catalog/a')).toBe('kept');
    const again = await driver.stage(place, one.length, 'sha512');
    await again.write(two.slice());
    const bytes = Buffer.concat([one, two]);
    expect(await again.settle()).toEqual({ size: bytes.length, digest: digestOf('sha512', bytes) });
    await again.release();
    expect(await driver.commit(place, bytes.length)).toBe(true);
  });

  test('is refused to a second process, and free again once the first one let go', async () => {
    const { root, driver } = await open();
    expect(isHeld(root)).toBe(true);
    expect(await refusal(openDataFolder(root, options))).toContain('is in use by another Marina');
    expect(await textOf(driver, 'format')).toContain('layout');
    const other = temporaryFolder('lock');
    expect(isHeld(other)).toBe(false);
    const folder = await openDataFolder(other, options);
    expect(isHeld(other)).toBe(true);
    await folder.close();
    expect(isHeld(other)).toBe(false);
  });

  test('that is no folder, or not ours, is refused in one line and let go of', async () => {
    const parent = temporaryFolder('odd');
    const file = join(parent, 'file');
    writeFileSync(file, 'x');
    expect(await refusal(openDataFolder(file, options))).toContain('cannot be used (EEXIST)');
    expect(await refusal(openDataFolder(join(file, 'below'), options))).toContain('cannot be used (ENOTDIR)');
    const foreign = join(parent, 'foreign');
    mkdirSync(foreign);
    writeFileSync(join(foreign, 'format'), 'not ours');
    expect(await refusal(openDataFolder(foreign, options))).toContain('is this a Marina store?');
    expect(isHeld(foreign)).toBe(false);
  });

  test('is cleaned of what an earlier process had not linked yet', async () => {
    const folder = await open();
    writeFileSync(join(folder.root, 'tmp', 'left'), 'x');
    mkdirSync(join(folder.root, 'tmp', 'folder'));
    await folder.reopen();
    expect(readdirSync(join(folder.root, 'tmp'))).toEqual(['reserve']);
  });

  test('has nothing temporary in it once everything was answered', async () => {
    const { root, driver } = await open();
    await Promise.all([
      ...Array.from({ length: 20 }, (_, index) => driver.create(`catalog/${index % 5}`, random(100))),
      ...Array.from({ length: 20 }, (_, index) => driver.put(`data/AA/${index % 5}`, random(100))),
    ]);
    expect(readdirSync(join(root, 'tmp'))).toEqual(['reserve']);
  });
});

describe('a staged file that someone cuts', () => {
  test('is an error when it is hashed, not a wait without end, and the next one is hashed right', async () => {
    const { root, driver } = await open();
    const place = freshPlace();
    const path = join(root, stagedKey(place.upload, place.inc));
    const write = await driver.stage(place, 0, 'sha256');
    // Whole buffers, so that all of it is in the file before the end is hashed.
    await write.write(random(2 * MIB));
    while (statSync(path).size < 2 * MIB) await Bun.sleep(1);
    truncateSync(path, 0);
    const failed: unknown = await write.settle().catch((error: unknown) => error);
    expect(String(failed)).toContain('the staged file ends at');
    await write.drop();
    const again = await driver.stage(place, 0, 'sha256');
    const bytes = random(1000);
    await again.write(bytes.slice());
    expect(await again.settle()).toEqual({ size: 1000, digest: digestOf('sha256', bytes) });
    await again.release();
  });
});
