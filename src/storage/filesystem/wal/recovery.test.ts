// What a process leaves that did not end in order is a copy of its folder here, made while it goes on.
import { afterAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ulid } from 'ulid';
import { type OpenFolder, openTemporaryFolder } from '../../../../test/support/data-folder.ts';
import { cleanUp, temporaryFolder } from '../../../../test/support/server.ts';
import { noCrash } from '../../crash-points.ts';
import { StoreRefused } from '../../prepare.ts';
import type { FilesystemDriver } from '../driver.ts';
import { type DataFolder, openDataFolder } from '../folder.ts';
import { encodeRecord, type WalRecord } from './record.ts';

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

test('of objects that were created in order, a power cut leaves those before any that it leaves', async () => {
  const folder = await openTemporaryFolder();
  try {
    const { driver } = folder;
    const keys = Array.from({ length: 20 }, (_, index) => `catalog/${index}`);
    await driver.create(keys[15] ?? '', text('of another'));
    const objects = keys.map((key) => ({ key, bytes: text(key) }));
    expect(await driver.createInOrder?.(objects)).toBe(15);
    expect(await driver.createInOrder?.(objects)).toBe(0);
    expect(existsSync(join(folder.root, keys[16] ?? ''))).toBe(false);
    expect(readdirSync(join(folder.root, 'tmp')).filter((name) => name !== 'reserve')).toEqual([]);
    const copy = leftBy(folder);
    for (const key of keys.slice(3, 15)) rmSync(join(copy, key));
    const again = await openLeft(copy);
    for (const key of keys.slice(0, 15)) expect(await textOf(again.driver, key)).toBe(key);
    expect(await textOf(again.driver, keys[15] ?? '')).toBe('of another');
    await again.close();
  } finally {
    await folder.close();
  }
});

test('what is there is made again: it may be in the page cache alone, refused by the disk', async () => {
  const folder = await openTemporaryFolder();
  try {
    const { driver } = folder;
    await driver.create('catalog/a', text('slot'));
    await (await driver.write('data/XX/a', text('data'))).settle();
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

test('a record that cannot be recovered keeps the server from starting, with a one-line error, and is not lost', async () => {
  const folder = await openTemporaryFolder();
  try {
    await folder.driver.create('repos/some/_log/1', text('slot'));
    const copy = leftBy(folder);
    rmSync(join(copy, 'repos', 'some'), { recursive: true });
    writeFileSync(join(copy, 'repos', 'some'), 'in its way');
    const refused: unknown = await openLeft(copy).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(StoreRefused);
    expect(String(refused)).toContain('cannot be recovered (ENOTDIR)');
    rmSync(join(copy, 'repos', 'some'));
    const again = await openLeft(copy);
    expect(await textOf(again.driver, 'repos/some/_log/1')).toBe('slot');
    await again.close();
  } finally {
    await folder.close();
  }
});

describe('what no Marina left', () => {
  /** A store, beside a folder that is not ours, with a write-ahead log that someone made up. */
  async function forged(records: readonly WalRecord[]): Promise<{ root: string; outside: string; wal: string }> {
    const parent = temporaryFolder('forged');
    const [root, outside] = [join(parent, 'data'), join(parent, 'outside')];
    mkdirSync(outside);
    writeFileSync(join(outside, 'victim'), 'theirs');
    await (await openLeft(root)).close();
    const wal = join(root, 'wal', '0000000000000001');
    writeFileSync(wal, Buffer.concat(records.map(encodeRecord)));
    return { root, outside, wal };
  }

  async function refusal(root: string): Promise<string> {
    const refused: unknown = await openLeft(root).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(StoreRefused);
    const message = refused instanceof Error ? refused.message : '';
    expect(message).not.toContain('\n');
    return message;
  }

  const good: WalRecord = { kind: 'object', key: 'catalog/good', bytes: text('good') };
  const HOSTILE = [
    '../outside/victim',
    'data/../../outside/victim',
    'catalog/./../../outside/victim',
    '/etc/victim',
    'catalog//victim',
    'catalog/..',
    'catalog/',
    'data',
    'wal/0000000000000002',
    'lock',
    'other/thing',
    'catalog/a\0b',
    'catalog/new\nline',
    '',
  ];

  test.each(HOSTILE)('names %j: the start is refused in one line, and nothing is written or removed', async (key) => {
    for (const kind of ['object', 'removed'] as const) {
      const { root, outside } = await forged([good, { kind, key, bytes: text('ours') }]);
      expect(await refusal(root)).toContain(`names ${JSON.stringify(key)}, which is no object of a store`);
      expect(readdirSync(outside)).toEqual(['victim']);
      expect(await Bun.file(join(outside, 'victim')).text()).toBe('theirs');
      expect(existsSync(join(root, 'catalog', 'good'))).toBe(false);
    }
  });

  test('is a link in the place of a folder of objects', async () => {
    const { root, outside } = await forged([good, { kind: 'object', key: 'catalog/victim', bytes: text('ours') }]);
    rmSync(join(root, 'catalog'), { recursive: true, force: true });
    symlinkSync(outside, join(root, 'catalog'));
    expect(await refusal(root)).toContain(`${join(root, 'catalog')} is a link`);
    expect(await Bun.file(join(outside, 'victim')).text()).toBe('theirs');
  });

  test('is a link in the place of the log, or of its folder, or no file', async () => {
    const { root, outside, wal } = await forged([good]);
    renameSync(wal, join(outside, 'log'));
    symlinkSync(join(outside, 'log'), wal);
    expect(await refusal(root)).toContain(`${wal} is a link`);
    rmSync(wal);
    expect(Bun.spawnSync(['mkfifo', wal]).exitCode).toBe(0);
    expect(await refusal(root)).toContain(`${wal} is no file`);
    rmSync(join(root, 'wal'), { recursive: true });
    symlinkSync(outside, join(root, 'wal'));
    expect(await refusal(root)).toContain(`${join(root, 'wal')} is a link`);
    expect(readdirSync(outside).sort()).toEqual(['log', 'victim']);
  });

  test('is a link in the place of an object, which is replaced, not followed', async () => {
    const { root, outside } = await forged([good, { kind: 'removed', key: 'catalog/bad' }]);
    mkdirSync(join(root, 'catalog'), { recursive: true });
    for (const name of ['good', 'bad']) symlinkSync(join(outside, 'victim'), join(root, 'catalog', name));
    const again = await openLeft(root);
    expect(await textOf(again.driver, 'catalog/good')).toBe('good');
    expect(await again.driver.head('catalog/bad')).toBeUndefined();
    expect(await Bun.file(join(outside, 'victim')).text()).toBe('theirs');
    await again.close();
  });
});
