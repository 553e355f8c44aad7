import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ulid } from 'ulid';
import { cleanUp, temporaryFolder } from '../../../test/support/server.ts';
import { digestOf } from '../../oci/digest.ts';
import type { StoredObject } from '../driver.ts';
import { MemoryDriver } from '../memory/driver.ts';
import { FolderArchive } from './folder-archive.ts';

afterAll(cleanUp);

const KEY = 'blobs/sha256/ab/abc';

function opened(writable = true, root = join(temporaryFolder('archive'), 'place')) {
  return { root, archive: FolderArchive.open({ root, writable, uniqueName: ulid }) };
}

/** The same bytes as a file, and as a stream. */
async function objectsOf(bytes: Uint8Array): Promise<readonly StoredObject[]> {
  const path = join(temporaryFolder('archive-source'), 'object');
  writeFileSync(path, bytes);
  const driver = new MemoryDriver();
  await driver.put('x', bytes);
  const stream = (await driver.open('x')) ?? expect.unreachable();
  return [{ size: bytes.length, body: { kind: 'file', path } }, stream];
}

describe('a folder archive', () => {
  test.each([0, 1_000, 1024 * 1024, 3 * 1024 * 1024 + 1])('copies an object of %i bytes', async (size) => {
    const bytes = new Uint8Array(size).fill(7);
    for (const source of await objectsOf(bytes)) {
      const { root, archive } = opened();
      let copied = 0;
      const onBytes = async (count: number): Promise<void> => {
        copied += count;
      };
      expect(await archive.copy(KEY, source, { digest: digestOf('sha256', bytes), onBytes })).toBe(true);
      await archive.settle();
      expect(copied).toBe(size);
      expect(Buffer.compare((await archive.read(KEY)) ?? new Uint8Array([1]), bytes)).toBe(0);
      expect(statSync(join(root, KEY)).mode & 0o777).toBe(0o600);
      await archive.close();
    }
  });

  test('gives no name to bytes with another digest or length, and leaves no temporary file', async () => {
    const bytes = new Uint8Array(2 * 1024 * 1024).fill(1);
    const { root, archive } = opened();
    const copy = { digest: digestOf('sha256', new Uint8Array([2])), onBytes: async () => {} };
    for (const source of [...(await objectsOf(bytes)), ...(await objectsOf(bytes.subarray(5)))])
      expect(await archive.copy(KEY, source, copy)).toBe(false);
    const [file = expect.unreachable()] = await objectsOf(bytes);
    const longer = { ...file, size: bytes.length + 1 };
    expect(await archive.copy(KEY, longer, { ...copy, digest: digestOf('sha256', bytes) })).toBe(false);
    expect(await archive.head(KEY)).toBeUndefined();
    expect(readdirSync(join(root, 'tmp'))).toEqual([]);
    await archive.close();
  });

  test('is empty until something is written, and lists, replaces and removes objects', async () => {
    const { archive } = opened();
    expect(await archive.isEmpty()).toBe(true);
    await archive.write('a/2', new Uint8Array([1]));
    await archive.write('a/1', new Uint8Array([1, 2]));
    await archive.write('a/1', new Uint8Array([1, 2, 3]));
    expect(await archive.head('a/1')).toEqual({ size: 3 });
    expect(await archive.read('a/1')).toEqual(new Uint8Array([1, 2, 3]));
    await archive.settle();
    expect(await archive.isEmpty()).toBe(false);
    expect(await Array.fromAsync(archive.list('a/'))).toEqual([
      { key: 'a/1', size: 3 },
      { key: 'a/2', size: 1 },
    ]);
    await archive.remove(['a/1', 'a/3']);
    expect(await Array.fromAsync(archive.list('a/'))).toEqual([{ key: 'a/2', size: 1 }]);
    await archive.close();
  });

  test('is written by one process at a time, and removes what an earlier one left unfinished, but no reserve', async () => {
    const { root, archive } = opened();
    await archive.write('a/1', new Uint8Array([1]));
    expect(() => opened(true, root)).toThrow('is in use by another process of Marina');
    await archive.close();
    for (const name of [ulid(), 'reserve']) writeFileSync(join(root, 'tmp', name), 'x');
    const again = opened(true, root).archive;
    await again.write('a/2', new Uint8Array([1]));
    await again.close();
    expect(readdirSync(join(root, 'tmp'))).toEqual(['reserve']);
  });

  test('keeps files of others in tmp, and is not empty if it has some', async () => {
    const root = join(temporaryFolder('archive'), 'foreign');
    mkdirSync(join(root, 'tmp', 'session'), { recursive: true });
    writeFileSync(join(root, 'tmp', 'session', 'file'), 'x');
    const { archive } = opened(true, root);
    expect(await archive.isEmpty()).toBe(false);
    await archive.write('a/1', new Uint8Array([1]));
    await archive.close();
    expect(readdirSync(join(root, 'tmp', 'session'))).toEqual(['file']);
  });

  test('counts files that an earlier process left in tmp as nothing', async () => {
    const { root, archive } = opened();
    mkdirSync(join(root, 'tmp'));
    for (const name of [ulid(), 'reserve']) writeFileSync(join(root, 'tmp', name), 'x');
    expect(await archive.isEmpty()).toBe(true);
    await archive.close();
  });

  test('does not write through a link in place of tmp', async () => {
    const { root, archive } = opened();
    const elsewhere = temporaryFolder('elsewhere');
    const left = ulid();
    writeFileSync(join(elsewhere, left), 'x');
    symlinkSync(elsewhere, join(root, 'tmp'));
    expect(await archive.isEmpty()).toBe(false);
    await expect(archive.write('a/1', new Uint8Array([1]))).rejects.toThrow('is a link, not a folder');
    await archive.close();
    expect(readdirSync(elsewhere)).toEqual([left]);
  });

  test('that is only read is not made, and must be a folder', async () => {
    const root = join(temporaryFolder('archive'), 'missing');
    expect(() => opened(false, root)).toThrow('does not exist');
    expect(existsSync(root)).toBe(false);
    writeFileSync(root, '');
    expect(() => opened(false, root)).toThrow('is no folder');
    expect(() => opened(true, root)).toThrow('cannot be used');
    const there = join(temporaryFolder('archive'), 'there');
    mkdirSync(there);
    await opened(false, there).archive.close();
    expect(readdirSync(there)).toEqual([]);
  });
});
