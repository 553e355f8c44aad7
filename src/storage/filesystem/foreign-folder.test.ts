import { afterAll, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanUp, temporaryFolder } from '../../../test/support/server.ts';
import { digestOf } from '../../oci/digest.ts';
import { ForeignUnreadable } from '../foreign.ts';
import { ForeignFolder } from './foreign-folder.ts';

afterAll(cleanUp);

const { signal } = new AbortController();

function folders(): { source: string; target: string } {
  const [source, target] = [temporaryFolder('source'), temporaryFolder('target')];
  mkdirSync(join(source, 'blobs'));
  mkdirSync(join(target, 'data'));
  return { source, target };
}

test('digests of small files and of big ones, read in steps; none of what is not there', async () => {
  const { source, target } = folders();
  const folder = new ForeignFolder(source, target);
  try {
    for (const size of [0, 1, 128 * 1024, 40 * 1024 ** 2 + 1]) {
      const bytes = new Uint8Array(randomBytes(size));
      writeFileSync(join(source, 'blobs/data'), bytes);
      let read = 0;
      const onBytes = (count: number): void => {
        read += count;
      };
      for (const algorithm of ['sha256', 'sha512'] as const) {
        expect(await folder.digest('blobs/data', algorithm, onBytes, signal)).toBe(digestOf(algorithm, bytes));
      }
      expect(read).toBe(2 * size);
    }
    expect(await folder.digest('blobs/never', 'sha256', () => undefined, signal)).toBeUndefined();
    const stopped = AbortSignal.abort(new Error('no more'));
    const ended: unknown = await folder
      .digest('blobs/data', 'sha256', () => undefined, stopped)
      .catch((reason: unknown) => reason);
    expect(ended).toEqual(new Error('no more'));
  } finally {
    await folder.close();
  }
});

test('a file gets a second name, one of another file system a copy', async () => {
  const { source, target } = folders();
  const folder = new ForeignFolder(source, target);
  try {
    writeFileSync(join(source, 'blobs/data'), 'bytes', { mode: 0o640 });
    expect(await folder.give('blobs/data', 'data/one')).toBe('linked');
    expect(statSync(join(target, 'data/one')).ino).toBe(statSync(join(source, 'blobs/data')).ino);
    await expect(folder.give('blobs/data', 'data/one')).rejects.toThrow('not fresh');
    const away = await Bun.file('/proc/version').text();
    expect(await new ForeignFolder('/proc', target).give('version', 'data/two')).toBe('copied');
    expect(await Bun.file(join(target, 'data/two')).text()).toBe(away);
    await expect(folder.give('blobs/never', 'data/three')).rejects.toBeInstanceOf(ForeignUnreadable);
  } finally {
    await folder.close();
  }
});
