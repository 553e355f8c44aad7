import { closeSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { makePrivateFolder } from '../../system/private-files.ts';
import { codeOf, isFull, storageFull } from './system-errors.ts';

/** What a folder says that this process may enter, but neither list nor sync: whoever made it answers for its entries. */
const NOT_OURS: ReadonlySet<string | undefined> = new Set(['EACCES', 'EPERM', 'EINVAL']);

/** A folder with all that had to be made above it: durable entries, the one of its own parent too. It blocks: for the start. */
export function makeRoot(path: string): void {
  const first = makePrivateFolder(path) ?? path;
  for (let made = path; made !== dirname(made); made = dirname(made)) {
    try {
      const descriptor = openSync(dirname(made), 'r');
      try {
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
    } catch (error) {
      if (!NOT_OURS.has(codeOf(error))) throw error;
    }
    if (made === first) return;
  }
}

/** The folder exists; nothing is promised about a power cut. */
export function makeFolder(path: string): void {
  try {
    makePrivateFolder(path);
  } catch (error) {
    throw isFull(error) ? storageFull(error) : error;
  }
}
