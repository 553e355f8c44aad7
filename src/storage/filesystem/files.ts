// File operations shared by the parts of the driver. All that need disk space throw `storage-full` if there is none.
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  open,
  openSync,
  renameSync,
  statSync,
  unlinkSync,
  write,
  writeSync,
} from 'node:fs';
import { link as linkFile, rename as renameFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { codeOf } from '../../system/error-code.ts';
import { PRIVATE_FILE } from '../../system/private-files.ts';
import type { CreateResult } from '../driver.ts';
import type { DiskSync } from './disk-sync.ts';
import { makeFolder } from './folders.ts';
import { isFull, isMissing, storageFull } from './system-errors.ts';

const openDescriptor = promisify(open);

/** The size of a file; undefined for anything else. */
export function sizeOf(path: string): number | undefined {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    return found?.isFile() ? found.size : undefined;
  } catch (error) {
    // A parent is a file, so nothing can be below it.
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * The size of a file; undefined for anything else. Opens the file, because a response that has begun can no longer report that its
 * file cannot be opened.
 */
export function sizeOfOpenable(path: string): number | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  try {
    const found = fstatSync(descriptor);
    return found.isFile() ? found.size : undefined;
  } finally {
    closeSync(descriptor);
  }
}

/** Whether a name is taken. Throws if the file system cannot tell, since a rename would replace what is there. */
export function isNamed(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** Makes a folder if it is missing, and checks that this process may create entries in it. */
export function requireWritableFolder(folder: string): void {
  try {
    // The slash makes it fail for a file.
    accessSync(`${folder}/`, constants.W_OK | constants.X_OK);
  } catch (error) {
    if (!isMissing(error)) throw error;
    makeFolder(folder);
  }
}

export function writeFully(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
}

/**
 * Writes on another thread.
 * @returns how many bytes were written
 */
function writeAt(descriptor: number, bytes: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(descriptor, bytes, 0, bytes.length, position, (error, count) =>
      error === null ? resolve(count) : reject(error),
    );
  });
}

export async function writeAll(descriptor: number, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += await writeAt(descriptor, bytes.subarray(done), position + done);
  }
}

/** Creating a file needs space too. */
export function openFile(path: string, flags: string): number {
  try {
    return openSync(path, flags, PRIVATE_FILE);
  } catch (error) {
    throw isFull(error) ? storageFull(error) : error;
  }
}

/**
 * As openFile, on another thread: creating an entry blocks while the file system commits a transaction, which is
 * nearly always during pushes.
 */
export async function makeFile(path: string, flags: string): Promise<number> {
  try {
    return await openDescriptor(path, flags, PRIVATE_FILE);
  } catch (error) {
    throw isFull(error) ? storageFull(error) : error;
  }
}

/** As makeFile, and makes the folder if the first try fails for lack of it. */
export async function makeFileIn(path: string, flags = 'wx'): Promise<number> {
  return await inFolder(path, () => makeFile(path, flags));
}

/** Moves a file to a name that is not taken, and makes the folder if necessary. */
export async function renameInto(from: string, to: string): Promise<void> {
  try {
    await inFolder(to, () => renameFile(from, to));
  } catch (error) {
    throw isFull(error) ? storageFull(error) : error;
  }
}

async function inFolder<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isMissing(error)) throw error;
    makeFolder(dirname(path));
    return await work();
  }
}

/** Creates or replaces a file, and makes the folder if the first try fails for lack of it. */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const descriptor = await makeFileIn(path, 'w');
  try {
    writeFully(descriptor, bytes);
  } catch (error) {
    throw isFull(error) ? storageFull(error) : error;
  } finally {
    closeSync(descriptor);
  }
}

export function rename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    throw isFull(error) ? storageFull(error) : error;
  }
}

/** Hard-links a file. `taken` if the name exists. */
export async function link(from: string, to: string): Promise<CreateResult> {
  try {
    await linkFile(from, to);
    return 'created';
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return 'taken';
    throw isFull(error) ? storageFull(error) : error;
  }
}

/** Writes a new file without syncing it. Leaves nothing behind on failure. */
export async function writeUnsynced(path: string, bytes: Uint8Array): Promise<void> {
  const descriptor = await makeFileIn(path);
  try {
    writeFully(descriptor, bytes);
  } catch (error) {
    unlinkSync(path);
    throw isFull(error) ? storageFull(error) : error;
  } finally {
    closeSync(descriptor);
  }
}

/** Writes a new file and syncs it. Leaves nothing behind on failure. */
export async function writeSynced(
  path: string,
  bytes: Uint8Array,
  { diskSync, beforeSync }: { readonly diskSync: Pick<DiskSync, 'file'>; readonly beforeSync: () => void },
): Promise<void> {
  const descriptor = await makeFile(path, 'wx');
  try {
    writeFully(descriptor, bytes);
    beforeSync();
    await diskSync.file(descriptor);
  } catch (error) {
    unlinkSync(path);
    throw isFull(error) ? storageFull(error) : error;
  } finally {
    closeSync(descriptor);
  }
}
