import { closeSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf } from '../../system/error-code.ts';
import { makePrivateFolder } from '../../system/private-files.ts';
import { isFull, storageFull } from './system-errors.ts';

/**
 * Errors for a folder that this process may traverse but neither list nor sync. Its creator is responsible for its
 * entries.
 */
const NOT_OURS: ReadonlySet<string | undefined> = new Set(['EACCES', 'EPERM', 'EINVAL']);

/**
 * Makes a folder and its missing parents, and makes their entries durable, including the one in the first existing
 * parent. Synchronous: for the start only.
 */
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

/** Makes a folder without syncing it. */
export function makeFolder(path: string): void {
  try {
    makePrivateFolder(path);
  } catch (error) {
    throw isFull(error) ? storageFull(error) : error;
  }
}
