import { appendFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SHELVES } from '../storage/paths.ts';
import type { Spill } from './live-set.ts';

/** Files in a folder of their own below this one, which is made when the first one is needed. */
export async function openSpillFiles(below: string): Promise<Spill> {
  await mkdir(below, { recursive: true });
  const folder = await mkdtemp(join(below, 'gc-'));
  const written = new Set<number>();
  const path = (shelf: number): string => join(folder, SHELVES[shelf] ?? 'none');
  return {
    append: async (shelf, records) => {
      written.add(shelf);
      await appendFile(path(shelf), records);
    },
    read: async (shelf) => (written.has(shelf) ? await readFile(path(shelf)) : new Uint8Array()),
    close: () => rm(folder, { recursive: true, force: true }),
  };
}
