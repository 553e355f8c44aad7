// What a power cut leaves is made by hand here: the files of the write-ahead log, and of all that they tell of anything.
import { afterAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ulid } from 'ulid';
import { type OpenFolder, openTemporaryFolder } from '../../../../test/support/data-folder.ts';
import { eventually } from '../../../../test/support/eventually.ts';
import { cleanUp, temporaryFolder } from '../../../../test/support/server.ts';
import { RegistryError } from '../../../oci/errors.ts';
import { codeOf } from '../../../system/error-code.ts';
import { noCrash } from '../../crash-points.ts';
import type { Key } from '../../driver.ts';
import { DiskSync } from '../disk-sync.ts';
import type { FilesystemDriver } from '../driver.ts';
import { type DataFolder, openDataFolder } from '../folder.ts';
import { canSyncAtOnce, FileSystem } from './file-system.ts';
import { decodeRecords } from './record.ts';
import { WriteAheadLog, walFileName } from './wal.ts';

afterAll(cleanUp);

const fatal = (reason: string, cause: unknown): never => {
  throw new Error(reason, { cause });
};

function openAlone(root: string, shared = false): Promise<DataFolder> {
  return openDataFolder(root, { shared, uniqueName: () => ulid(), now: Date.now, reach: noCrash, fatal });
}

function kindOf(error: unknown): string {
  return error instanceof RegistryError ? error.kind : String(error);
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

async function textOf(driver: FilesystemDriver, key: Key): Promise<string | undefined> {
  const bytes = await driver.read(key);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

function toldIn(root: string): Key[] {
  const folder = join(root, 'wal');
  return readdirSync(folder).flatMap((name) =>
    [...decodeRecords(readFileSync(join(folder, name)))].map(({ key }) => key),
  );
}

/** The folder as a power cut leaves it now: `lose` has its way with each file that the write-ahead log tells of. */
async function afterPowerCut<T>(
  { root }: OpenFolder,
  lose: (path: string, index: number) => void,
  look: (driver: FilesystemDriver, root: string) => Promise<T>,
): Promise<T> {
  const copy = temporaryFolder('power-cut');
  cpSync(root, copy, { recursive: true });
  for (const [index, key] of toldIn(copy).entries()) {
    // Its folder is the data folder itself.
    if (key !== 'format') lose(join(copy, key), index);
  }
  const folder = await openAlone(copy);
  try {
    return await look(folder.driver, copy);
  } finally {
    await folder.close();
  }
}

test('the temporary folder is on a file system that is synced at once: all that follows says something', () => {
  const needed = 'the folder of TMPDIR must be on ext4, XFS, btrfs or F2FS for these tests';
  expect(canSyncAtOnce(temporaryFolder('kind')), needed).toBe(true);
});

describe('after a power cut', () => {
  const LOSSES: [string, (path: string, index: number) => void][] = [
    ['that takes the files', (path) => rmSync(path, { force: true })],
    ['that takes the folders', (path) => rmSync(dirname(path), { recursive: true, force: true })],
    ['that empties the files', (path) => existsSync(path) && truncateSync(path, 0)],
    ['that leaves other bytes', (path) => existsSync(path) && writeFileSync(path, randomBytes(5))],
    ['that takes every other file', (path, index) => index % 2 === 0 && rmSync(path, { force: true })],
    ['that takes nothing', () => {}],
  ];

  test.each(LOSSES)('%s everything that was acknowledged is there', async (_what, lose) => {
    const folder = await openTemporaryFolder();
    try {
      const { driver } = folder;
      await Promise.all(
        Array.from({ length: 50 }, async (_, index) => {
          const key = `repos/some/name-${index % 7}/_log/${index}`;
          const written = await driver.write(`data/XX/${index}`, bytesOf(`data ${index}`));
          const named = index % 2 === 0 ? [written] : [];
          expect(await driver.create(key, bytesOf(`slot ${index}`), named)).toBe('created');
          await written.settle();
        }),
      );
      await afterPowerCut(folder, lose, async (after, root) => {
        for (let index = 0; index < 50; index++) {
          expect(await textOf(after, `repos/some/name-${index % 7}/_log/${index}`)).toBe(`slot ${index}`);
          expect(await textOf(after, `data/XX/${index}`)).toBe(`data ${index}`);
        }
        expect(readdirSync(join(root, 'tmp'))).toEqual(['reserve']);
      });
    } finally {
      await folder.close();
    }
  });

  test('an object is logged just before the one that refers to it', async () => {
    const folder = await openTemporaryFolder();
    try {
      const { driver, root } = folder;
      const written = await driver.write('data/XX/a', bytesOf('data'));
      expect(toldIn(root)).not.toContain('data/XX/a');
      await driver.create('repos/some/_log/1', bytesOf('slot'), [written]);
      expect(toldIn(root).slice(-2)).toEqual(['data/XX/a', 'repos/some/_log/1']);
    } finally {
      await folder.close();
    }
  });

  test('what was removed does not come back, and what was made again since has its last bytes', async () => {
    const folder = await openTemporaryFolder();
    try {
      const { driver } = folder;
      for (const name of ['gone', 'again', 'over', 'below/a']) await driver.create(`catalog/${name}`, bytesOf('first'));
      await driver.delete(['catalog/gone', 'catalog/again']);
      await driver.create('catalog/again', bytesOf('second'));
      await driver.put('catalog/over', bytesOf('put'));
      await driver.deleteAll('catalog/below/');
      const restore = (path: string): void => {
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, 'first');
      };
      await afterPowerCut(folder, restore, async (after) => {
        expect(await textOf(after, 'catalog/gone')).toBeUndefined();
        expect(await textOf(after, 'catalog/below/a')).toBeUndefined();
        expect(await textOf(after, 'catalog/again')).toBe('second');
        expect(await textOf(after, 'catalog/over')).toBe('put');
      });
    } finally {
      await folder.close();
    }
  });

  test('that comes again in the middle of the recovery nothing is different', async () => {
    const folder = await openTemporaryFolder();
    try {
      await folder.driver.create('catalog/a', bytesOf('kept'));
      const copy = temporaryFolder('power-cut');
      cpSync(folder.root, copy, { recursive: true });
      const left = join(copy, 'wal', walFileName(1));
      const bytes = readFileSync(left);
      for (let times = 0; times < 3; times++) {
        rmSync(join(copy, 'catalog'), { recursive: true, force: true });
        writeFileSync(left, bytes);
        const again = await openAlone(copy);
        expect(await textOf(again.driver, 'catalog/a')).toBe('kept');
        await again.close();
      }
    } finally {
      await folder.close();
    }
  });

  test('a folder is not shared before the process that had it alone recovered it', async () => {
    const folder = await openTemporaryFolder();
    try {
      await folder.driver.create('catalog/a', bytesOf('kept'));
      const copy = temporaryFolder('power-cut');
      cpSync(folder.root, copy, { recursive: true });
      rmSync(join(copy, 'catalog'), { recursive: true });
      const refused: unknown = await openAlone(copy, true).catch((error: unknown) => error);
      expect(String(refused)).toContain('start that one once more');
      await (await openAlone(copy)).close();
      const shared = await openAlone(copy, true);
      expect(await textOf(shared.driver, 'catalog/a')).toBe('kept');
      await shared.close();
    } finally {
      await folder.close();
    }
  });
});

describe('the files of the log', () => {
  test('are gone after an end in order, and the objects are there', async () => {
    const folder = await openTemporaryFolder();
    try {
      await folder.driver.create('catalog/a', bytesOf('kept'));
      expect(toldIn(folder.root)).toContain('catalog/a');
      const driver = await folder.reopen();
      expect(toldIn(folder.root)).not.toContain('catalog/a');
      expect(await textOf(driver, 'catalog/a')).toBe('kept');
    } finally {
      await folder.close();
    }
  });

  test('go one after another while objects come', async () => {
    const folder = await openTemporaryFolder();
    try {
      const { driver, root } = folder;
      const bytes = new Uint8Array(randomBytes(60_000));
      for (let round = 0; round < 20; round++) {
        const writes = Array.from({ length: 50 }, (_, index) => driver.write(`data/XX/${round}-${index}`, bytes));
        await Promise.all((await Promise.all(writes)).map((written) => written.settle()));
      }
      expect(readdirSync(join(root, 'wal')).length).toBeLessThanOrEqual(2);
      // It goes once everything in it is synced, for which a busy disk may need longer than for all these objects.
      await eventually(() => expect(readdirSync(join(root, 'wal'))).not.toContain(walFileName(1)));
      await afterPowerCut(
        folder,
        (path) => rmSync(path, { force: true }),
        async (after) => {
          for (let round = 0; round < 20; round++) {
            for (let index = 0; index < 50; index++) {
              expect((await after.head(`data/XX/${round}-${index}`))?.size).toBe(bytes.length);
            }
          }
        },
      );
    } finally {
      await folder.close();
    }
  });

  test('go when nothing more comes, but not before what they tell of has its name', async () => {
    const root = temporaryFolder('wal');
    const fileSystem = new FileSystem(root);
    const wal = new WriteAheadLog({ folder: root, diskSync: new DiskSync(fatal), fileSystem, fatal });
    const named = Promise.withResolvers<void>();
    const told = wal.append({ kind: 'object', key: 'a', bytes: bytesOf('a') }, () => named.promise);
    await Bun.sleep(6_000);
    expect(wal.covers('a')).toBe(true);
    expect(readdirSync(root)).toEqual([walFileName(1)]);
    named.resolve();
    await told;
    while (wal.covers('a')) await Bun.sleep(10);
    expect(readdirSync(root)).toEqual([]);
    await wal.close();
  });
});

test('an object is held once its record is synced, until its removal is or the log is closed', async () => {
  const root = temporaryFolder('wal');
  const diskSync = new DiskSync(fatal);
  const wal = new WriteAheadLog({ folder: root, diskSync, fileSystem: new FileSystem(root), fatal });
  // With a file that is open already the next record is written in the same turn of the event loop.
  await wal.append({ kind: 'object', key: 'first', bytes: bytesOf('first') });
  const told = wal.append({ kind: 'object', key: 'a', bytes: bytesOf('a') });
  for (let turn = 0; turn < 100 && !wal.covers('a'); turn++) await Promise.resolve();
  expect(wal.covers('a')).toBe(true);
  expect(wal.holds('a')).toBe(false);
  await told;
  expect([wal.holds('a'), wal.holds('b')]).toEqual([true, false]);
  await wal.append({ kind: 'removed', key: 'a' });
  expect([wal.covers('a'), wal.holds('a')]).toEqual([true, false]);
  await wal.append({ kind: 'object', key: 'a', bytes: bytesOf('again') });
  expect(wal.holds('a')).toBe(true);
  await wal.close();
  expect(wal.holds('a')).toBe(false);
});

test('a record that comes just when another one is done does not wait for a third', async () => {
  const root = temporaryFolder('wal');
  const wal = new WriteAheadLog({
    ...{ folder: root, diskSync: new DiskSync(fatal) },
    ...{ fileSystem: new FileSystem(root), fatal },
  });
  for (let turns = 0; turns < 16; turns++) {
    let done: Promise<unknown> = wal.append({ kind: 'removed', key: `first-${turns}` });
    for (let turn = 0; turn < turns; turn++) done = done.then(() => {});
    const next = done.then(() => wal.append({ kind: 'removed', key: `next-${turns}` }));
    expect(await Promise.race([next.then(() => 'told'), Bun.sleep(30_000)]), `${turns} turns`).toBe('told');
  }
  await wal.close();
});

test('closing waits for what comes meanwhile, and later nothing comes', async () => {
  const root = temporaryFolder('wal');
  const wal = new WriteAheadLog({
    ...{ folder: root, diskSync: new DiskSync(fatal) },
    ...{ fileSystem: new FileSystem(root), fatal },
  });
  const append = (index: number) => wal.append({ kind: 'object', key: `${index}`, bytes: bytesOf('some') });
  await append(0);
  const more = (async () => {
    for (let index = 1; index < 50; index++) await append(index);
  })().then(() => 'told', kindOf);
  await wal.close();
  expect(['told', 'unavailable']).toContain(await more);
  expect(await append(50).then(() => 'told', kindOf)).toBe('unavailable');
  expect(readdirSync(root)).toEqual([]);
});

test('a name that cannot be given is not promised, and the process lives', async () => {
  const folder = await openTemporaryFolder();
  try {
    const { driver, root } = folder;
    mkdirSync(join(root, 'repos'), { recursive: true });
    writeFileSync(join(root, 'repos', 'some'), 'in its way');
    // Neither can be told whether there is something.
    mkdirSync(join(root, 'catalog'), { recursive: true });
    symlinkSync('a', join(root, 'catalog', 'a'));
    for (const key of ['repos/some/_log/1', 'repos/some/1', 'catalog/a']) {
      expect(await driver.create(key, bytesOf('slot')).catch(codeOf)).toMatch(/^(ENOTDIR|EEXIST|ELOOP)$/);
      expect(toldIn(root)).not.toContain(key);
    }
    expect(readlinkSync(join(root, 'catalog', 'a'))).toBe('a');
    expect(readdirSync(join(root, 'tmp'))).toEqual(['reserve']);
    await folder.reopen();
  } finally {
    await folder.close();
  }
});

test('of many that make one object together one wins, small ones and big ones alike', async () => {
  const folder = await openTemporaryFolder();
  try {
    const claims = Array.from({ length: 32 }, (_, index) =>
      new Uint8Array(index % 2 === 0 ? 100 : 100_000).fill(index),
    );
    const results = await Promise.all(claims.map((claim) => folder.driver.create('catalog/one', claim)));
    const winner = results.indexOf('created');
    expect(results.filter((result) => result === 'created')).toHaveLength(1);
    const winners = (await folder.driver.read('catalog/one')) ?? new Uint8Array();
    expect(Buffer.compare(winners, claims[winner] ?? new Uint8Array())).toBe(0);
  } finally {
    await folder.close();
  }
});
