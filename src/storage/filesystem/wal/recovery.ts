import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { codeOf } from '../../../system/error-code.ts';
import { makePrivateFolder, PRIVATE_FILE } from '../../../system/private-files.ts';
import type { Key } from '../../driver.ts';
import { isKey } from '../../paths.ts';
import { StoreRefused } from '../../prepare.ts';
import type { DiskSync } from '../disk-sync.ts';
import { writeFully } from '../files.ts';
import { isFull, isMissing } from '../system-errors.ts';
import type { FileSystem } from './file-system.ts';
import { decodeRecords, type WalRecord } from './record.ts';

const FORGED = 'Marina did not write this, and nothing was recovered; find out where it came from before you remove it';

export interface RecoveryOptions {
  /** Absolute path of the data folder. */
  readonly root: string;
  /** Absolute path of the folder with the files of the write-ahead log. */
  readonly folder: string;
  readonly diskSync: DiskSync;
  /** Omitted if the file system cannot be synced with one call. */
  readonly fileSystem: FileSystem | undefined;
  readonly uniqueName: () => string;
}

/** The files of the log that a process left behind, oldest first. */
export function walFilesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/**
 * Restores the files of all objects in the write-ahead log, then removes the log. Must be called before anything
 * reads the folder. After a kill in the middle, calling it again gives the same result.
 * @returns how many objects were missing or different
 */
export async function recoverObjects(options: RecoveryOptions): Promise<number> {
  const { root, folder, diskSync } = options;
  const names = walFilesIn(folder);
  refuseLink(folder);
  const last = lastRecords(names.map((name) => join(folder, name)));
  // Before the first object is touched.
  for (const key of last.keys()) refuseLinks(root, key);
  let missing = 0;
  for (const record of last.values()) {
    const path = join(root, record.key);
    if (record.kind === 'removed') rmSync(path, { force: true });
    else if (!restore(path, record.bytes, options)) missing++;
  }
  // Including objects that were present.
  if (last.size > 0) await syncAll([...last.values()], options);
  for (const name of names) {
    unlinkSync(join(folder, name));
    await diskSync.folder(folder);
  }
  return missing;
}

/**
 * Reads a regular file without following a link.
 * @throws ELOOP for a link
 */
function readOwnFile(path: string): Buffer {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!fstatSync(descriptor).isFile()) throw new StoreRefused(`${path} is no file: ${FORGED}`);
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function refuseLink(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isSymbolicLink() === true) throw new StoreRefused(`${path} is a link: ${FORGED}`);
}

/** Recovery writes into the object's own folder, never to where a link in its place leads. */
function refuseLinks(root: string, key: Key): void {
  for (let folder = dirname(key); folder !== '.'; folder = dirname(folder)) refuseLink(join(root, folder));
}

/** The last record of each object. */
function lastRecords(paths: readonly string[]): ReadonlyMap<Key, WalRecord> {
  const last = new Map<Key, WalRecord>();
  for (const path of paths) {
    refuseLink(path);
    for (const record of decodeRecords(readOwnFile(path))) {
      if (!isKey(record.key))
        throw new StoreRefused(`${path} names ${JSON.stringify(record.key)}, which is no object of a store: ${FORGED}`);
      last.set(record.key, record);
    }
  }
  return last;
}

function isThere(path: string, bytes: Uint8Array): boolean {
  try {
    return readOwnFile(path).equals(bytes);
  } catch (error) {
    // If the disk cannot read it, it is lost. A link in its place is replaced.
    if (isMissing(error) || codeOf(error) === 'EIO' || codeOf(error) === 'ELOOP') return false;
    throw error;
  }
}

/**
 * Writes an object again, even if it exists: its bytes may be in the page cache only, and stay there. The kernel does
 * not retry bytes that the disk refused, and reports the failure once, to the process that ended because of it.
 * Overwriting in place does not help either (ext4 leaves the bytes in an extent that it considers unwritten).
 * @returns whether it existed
 */
function restore(path: string, bytes: Uint8Array, options: RecoveryOptions): boolean {
  const wasThere = isThere(path, bytes);
  try {
    placeAgain(path, bytes, options);
  } catch (error) {
    // An existing object can be served from a full disk.
    if (!wasThere || !isFull(error)) throw error;
  }
  return wasThere;
}

function placeAgain(path: string, bytes: Uint8Array, { root, uniqueName }: RecoveryOptions): void {
  makePrivateFolder(dirname(path));
  const temporary = join(root, 'tmp', uniqueName());
  const descriptor = openSync(temporary, 'wx', PRIVATE_FILE);
  try {
    writeFully(descriptor, bytes);
    renameSync(temporary, path);
  } catch (error) {
    unlinkSync(temporary);
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

async function syncAll(records: readonly WalRecord[], options: RecoveryOptions): Promise<void> {
  const { root, diskSync, fileSystem } = options;
  if (fileSystem !== undefined) return await fileSystem.sync();
  for (const { kind, key } of records) {
    const path = join(root, key);
    await diskSync.ensureFolder(dirname(path), root);
    if (kind === 'object') await syncFile(path, diskSync);
    await diskSync.folder(dirname(path));
  }
}

async function syncFile(path: string, diskSync: DiskSync): Promise<void> {
  const descriptor = openSync(path, 'r');
  try {
    await diskSync.file(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
