// What the halves of the driver share. Everything that takes room says `storage-full` when there is none.
import {
  accessSync,
  closeSync,
  constants,
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
import { PRIVATE_FILE } from '../../system/private-files.ts';
import type { CreateResult } from '../driver.ts';
import type { DiskSync } from './disk-sync.ts';
import { makeFolder } from './folders.ts';
import { codeOf, isFull, isMissing, storageFull } from './system-errors.ts';

const openDescriptor = promisify(open);

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

/** Whether a name is taken, by whatever. Throws where the file system cannot tell: a rename to there would replace it. */
export function isNamed(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** The folder is there, made where it is missing, and this process may give names in it. */
export function openForNames(folder: string): void {
  try {
    // With a slash: a file is none.
    accessSync(`${folder}/`, constants.W_OK | constants.X_OK);
  } catch (error) {
    if (!isMissing(error)) throw error;
    makeFolder(folder);
  }
}

export function writeFully(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
}

/** On another thread. @returns how many of the bytes were written */
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

/** Making a file takes room too. */
export function openFile(path: string, flags: string): number {
  try {
    return openSync(path, flags, PRIVATE_FILE);
  } catch (error) {
    throw isFull(error) ? storageFull(error) : error;
  }
}

/**
 * As openFile, on another thread: an entry that is made waits while the file system closes a transaction, and with pushes under
 * way one is closed all the time.
 */
export async function makeFile(path: string, flags: string): Promise<number> {
  try {
    return await openDescriptor(path, flags, PRIVATE_FILE);
  } catch (error) {
    throw isFull(error) ? storageFull(error) : error;
  }
}

/** As makeFile; its folder is made when the first try says that it is not there. */
export async function makeFileIn(path: string, flags = 'wx'): Promise<number> {
  return await inFolder(path, () => makeFile(path, flags));
}

/** Moves a file to a name that is free, into a folder that may have to be made. */
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

/** Creates or replaces a file; its folder is made when the first try says that it is not there. */
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

/** A second name for a file; `taken` when the name is another's already. */
export async function link(from: string, to: string): Promise<CreateResult> {
  try {
    await linkFile(from, to);
    return 'created';
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return 'taken';
    throw isFull(error) ? storageFull(error) : error;
  }
}

/** A new file, whole, but nothing is promised about a power cut. Leaves nothing behind when it fails. */
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

/** A new file whose bytes are durable. Leaves nothing behind when it fails. */
export async function writeSynced(
  path: string,
  bytes: Uint8Array,
  { diskSync, beforeSync }: { readonly diskSync: DiskSync; readonly beforeSync: () => void },
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
