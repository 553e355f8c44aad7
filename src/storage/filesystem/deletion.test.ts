import { afterAll, describe, expect, test } from 'bun:test';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ulid } from 'ulid';
import { text } from '../../../test/contract/storage/store.ts';
import { concurrently } from '../../../test/support/concurrently.ts';
import { type OpenFolder, openTemporaryFolder } from '../../../test/support/data-folder.ts';
import { cleanUp, temporaryFolder } from '../../../test/support/server.ts';
import type { Incarnation } from '../../oci/names.ts';
import { noCrash } from '../crash-points.ts';
import { keysBelow } from '../keys-below.ts';
import { DATA, dataKey, SHELVES } from '../paths.ts';
import { Deletion } from './deletion.ts';
import { DiskSync } from './disk-sync.ts';
import { FileThread } from './file-thread.ts';
import { openDataFolder } from './folder.ts';

const opened: OpenFolder[] = [];
afterAll(async () => {
  for (const folder of opened) await folder.close();
  await cleanUp();
});

const fatal = (reason: string, cause: unknown): never => {
  throw new Error(reason, { cause });
};

/** Which folders were synced, and how many of them at once. */
class Watched extends DiskSync {
  readonly synced: string[] = [];
  most = 0;
  #running = 0;

  override async folder(path: string): Promise<void> {
    this.synced.push(path);
    this.most = Math.max(this.most, ++this.#running);
    await super.folder(path).finally(() => this.#running--);
  }
}

/** Removes one batch, and no more before it may. */
class Halting extends FileThread {
  batches = 0;
  readonly #until: Promise<void>;

  constructor(until: Promise<void>) {
    super();
    this.#until = until;
  }

  override async remove(paths: readonly string[]): Promise<ReadonlyMap<number, unknown>> {
    if (++this.batches > 1) await this.#until;
    return await super.remove(paths);
  }
}

/** Enough for threads of their own. */
const MANY = 1_000;

async function filled(count = MANY): Promise<{ folder: OpenFolder; keys: string[] }> {
  const folder = await openTemporaryFolder();
  opened.push(folder);
  const keys = Array.from({ length: count }, () => dataKey(ulid() as Incarnation));
  // Together, so that few syncs are waited for.
  await concurrently(100, keys, async (key) => await (await folder.driver.write(key, text('bytes'))).settle());
  return { folder, keys };
}

async function listed({ driver }: Pick<OpenFolder, 'driver'>): Promise<string[]> {
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
    const failures = await folder.driver.delete([...gone, ...folders, ...missing]);
    expect(failures.map(({ key }) => key).sort()).toEqual(folders);
    expect(String(failures[0]?.cause)).toMatch(/EISDIR|EPERM|directory/);
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

  test('a removal of which only the record in the write-ahead log was synced is not undone', async () => {
    // Few: all must be done within the five seconds after which the log retires its file.
    const { folder, keys } = await filled(100);
    const kept = keys.filter((_, n) => n % 10 === 0);
    const gone = keys.filter((_, n) => n % 10 !== 0);
    expect(await folder.driver.delete(gone, { durable: false })).toEqual([]);
    const left = temporaryFolder('left');
    cpSync(folder.root, left, { recursive: true });
    // No removal has reached the disk.
    for (const key of gone) writeFileSync(join(left, key), 'bytes');
    const after = await openDataFolder(left, { uniqueName: () => ulid(), now: Date.now, reach: noCrash, fatal });
    expect(await listed(after)).toEqual([...kept].sort((a, b) => (a < b ? -1 : 1)));
    await after.close();
  });

  test('a driver that is closed removes no more of them', async () => {
    const { folder, keys } = await filled();
    const closed = Promise.withResolvers<void>();
    const threads = [new Halting(closed.promise), new Halting(closed.promise)];
    const ports = { pathOf: (key: string) => join(folder.root, key), diskSync: new DiskSync(fatal), wal: undefined };
    const deletion = new Deletion({ ...ports, threads });
    const deleting = deletion.delete(keys).catch(String);
    // Each thread removed a batch, and is about to be given the next one.
    while (threads.some(({ batches }) => batches < 2)) await Bun.sleep(1);
    const left = await listed(folder);
    expect(left.length).toBe(MANY - 32);
    for (const thread of threads) thread.close();
    closed.resolve();
    expect(await deleting).toMatch(/shutting down/);
    expect(await listed(folder)).toEqual(left);
    const { driver } = folder;
    await folder.reopen();
    expect(await driver.delete(keys).catch(String)).toMatch(/shutting down/);
  });
});

describe('a durable delete', () => {
  test('syncs the folders of all that is gone, also of what was gone before, few at once', async () => {
    const root = temporaryFolder('deletion');
    const diskSync = new Watched(fatal);
    const threads = [new FileThread(), new FileThread()];
    const deletion = new Deletion({ pathOf: (key) => join(root, key), diskSync, wal: undefined, threads });
    const keys = SHELVES.map((shelf) => `${DATA}${shelf}/one`);
    for (const key of keys.slice(1)) mkdirSync(dirname(join(root, key)), { recursive: true });
    for (const key of keys.slice(100)) writeFileSync(join(root, key), 'bytes');
    expect(await deletion.delete(keys)).toEqual([]);
    // Whoever removed an object before may not have come to that. The first one's folder was never there.
    expect(diskSync.synced.sort()).toEqual(keys.map((key) => dirname(join(root, key))).sort());
    expect(diskSync.most).toBeLessThanOrEqual(32);
    for (const thread of threads) thread.close();
  });
});

describe('a listing', () => {
  test('takes a link to a folder for nothing, wherever it begins', async () => {
    const folder = await openTemporaryFolder();
    opened.push(folder);
    const names = ['a', 'b', 'c'].map((name) => `catalog/${name}`);
    for (const name of names) await folder.driver.create(name, text('bytes'));
    symlinkSync('.', join(folder.root, 'catalog', 'loop'));
    for (const [count, after] of [undefined, ...names].entries()) {
      const found: string[] = [];
      for await (const { key } of folder.driver.list('catalog/', after)) found.push(key);
      expect(found).toEqual(names.slice(count));
    }
    expect(await Array.fromAsync(keysBelow(folder.driver, 'catalog/'))).toEqual(names);
  });
});

test('a folder that two calls remove at the same time is gone, and neither fails', async () => {
  const folder = await openTemporaryFolder();
  opened.push(folder);
  const prefixes = Array.from({ length: 200 }, (_, index) => `uploads/${index}/`);
  for (const prefix of prefixes) await folder.driver.put(`${prefix}session`, text('bytes'), { durable: false });
  await Promise.all(prefixes.flatMap((prefix) => [1, 2, 3].map(() => folder.driver.deleteAll(prefix))));
  for await (const { key } of folder.driver.list('uploads/')) expect(key).toBe('nothing');
});
