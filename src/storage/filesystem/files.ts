// What the halves of the driver share. Everything that takes room says `storage-full` when there is none.
import { closeSync, linkSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { CreateResult } from '../driver.ts';
import { codeOf, isFull, isMissing, makeFolder, storageFull } from './durability.ts';

/** undefined for everything that is no file. */
export function sizeOf(path: string): number | undefined {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    return found?.isFile() ? found.size : undefined;
  } catch (error) {
    // A part of the name is an object: nothing can be below it.
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export function writeFully(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
}

/** Making a file takes room too. */
export function openFile(path: string, flags: string): number {
  try {
    return openSync(path, flags);
  } catch (error) {
    throw isFull(error) ? storageFull(error) : error;
  }
}

export function writeWhole(path: string, bytes: Uint8Array): void {
  const descriptor = openFile(path, 'w');
  try {
    writeFully(descriptor, bytes);
  } catch (error) {
    throw isFull(error) ? storageFull(error) : error;
  } finally {
    closeSync(descriptor);
  }
}

/** Most folders are there already: they are made only when the first try says that they are not. */
export function makeFolderOf(path: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    if (!isMissing(error)) throw error;
    makeFolder(dirname(path));
    write();
  }
}

export function rename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    throw isFull(error) ? storageFull(error) : error;
  }
}

/** A second name for a file; `taken` when the name is another's already. */
export async function link(from: string, to: string): Promise<CreateResult> {
  try {
    linkSync(from, to);
    return 'created';
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return 'taken';
    throw isFull(error) ? storageFull(error) : error;
  }
}
