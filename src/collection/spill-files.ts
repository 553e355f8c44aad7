import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SHELVES } from '../storage/paths.ts';
import { makePrivateFolder, PRIVATE_FILE } from '../system/private-files.ts';
import type { Spill } from './live-set.ts';

/** Spills to files in a new folder below this one. */
export async function openSpillFiles(below: string): Promise<Spill> {
  makePrivateFolder(below);
  const folder = await mkdtemp(join(below, 'gc-'));
  const written = new Set<number>();
  const path = (shelf: number): string => join(folder, SHELVES[shelf] ?? 'none');
  return {
    append: async (shelf, records) => {
      written.add(shelf);
      await appendFile(path(shelf), records, { mode: PRIVATE_FILE });
    },
    read: async (shelf) => (written.has(shelf) ? await readFile(path(shelf)) : new Uint8Array()),
    close: () => rm(folder, { recursive: true, force: true }),
  };
}
