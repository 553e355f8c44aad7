import { afterAll, expect, test } from 'bun:test';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cleanUp, temporaryFolder } from '../../../test/support/server.ts';
import { CacheFolder } from './folder.ts';

afterAll(cleanUp);

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

test('nobody else may enter the folders of a cache, those of an earlier version neither', () => {
  const parent = temporaryFolder('cache-modes');
  const before = process.umask(0);
  try {
    const fresh = join(parent, 'fresh', 'cache');
    CacheFolder.open(fresh).close();
    const made = [join(parent, 'fresh'), fresh, join(fresh, 'blobs'), join(fresh, 'tmp'), join(fresh, 'lock')];
    expect(made.map(modeOf)).toEqual(['700', '700', '700', '700', '600']);

    // It may be a folder of someone's choice: what is not the cache's own stays as it is.
    const chosen = join(parent, 'chosen');
    for (const folder of [chosen, join(chosen, 'blobs'), join(chosen, 'tmp')]) mkdirSync(folder, { mode: 0o755 });
    CacheFolder.open(chosen).close();
    expect([chosen, join(chosen, 'blobs'), join(chosen, 'tmp')].map(modeOf)).toEqual(['755', '700', '700']);
  } finally {
    process.umask(before);
  }
});
