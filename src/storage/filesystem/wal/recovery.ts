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
import { makePrivateFolder, PRIVATE_FILE } from '../../../system/private-files.ts';
import type { Key } from '../../driver.ts';
import { isKey } from '../../paths.ts';
import { StoreRefused } from '../../prepare.ts';
import type { DiskSync } from '../disk-sync.ts';
import { writeFully } from '../files.ts';
import { codeOf, isFull, isMissing } from '../system-errors.ts';
import type { FileSystem } from './file-system.ts';
import { decodeRecords, type WalRecord } from './record.ts';

const FORGED = 'no Marina left this, nothing was put in its place; find out who did before you remove it';

export interface RecoveryOptions {
  /** Absolute path of the data folder. */
  readonly root: string;
  /** Absolute path of the folder of the write-ahead log's files. */
  readonly folder: string;
  readonly diskSync: DiskSync;
  /** Left out where it cannot be synced at once. */
  readonly fileSystem: FileSystem | undefined;
  readonly uniqueName: () => string;
}

/** What a process that did not end in order left. Files it may have been about to write to, of the oldest first. */
export function walFilesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/**
 * Gives the objects that the write-ahead log tells of their files once more, and removes it. To be called before
 * anybody looks at the folder; called again after a kill in the middle it does the same.
 * @returns how many objects were not there as they were told of
 */
export async function recoverObjects(options: RecoveryOptions): Promise<number> {
  const { root, folder, diskSync } = options;
  const names = walFilesIn(folder);
  refuseLink(folder);
  const last = lastRecords(names.map((name) => join(folder, name)));
  // Before the first one is touched.
  for (const key of last.keys()) refuseLinks(root, key);
  let missing = 0;
  for (const record of last.values()) {
    const path = join(root, record.key);
    if (record.kind === 'removed') rmSync(path, { force: true });
    else if (!restore(path, record.bytes, options)) missing++;
  }
  // All of it, what was there too.
  if (last.size > 0) await syncAll([...last.values()], options);
  for (const name of names) {
    unlinkSync(join(folder, name));
    await diskSync.folder(folder);
  }
  return missing;
}

/** No link is followed, and nothing but a file is read. @throws what the system says: ELOOP for a link */
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

/** An object is given its name in its own folder, and not where a link in its place leads. */
function refuseLinks(root: string, key: Key): void {
  for (let folder = dirname(key); folder !== '.'; folder = dirname(folder)) refuseLink(join(root, folder));
}

/** What the files tell last of each object. */
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
    // A disk that cannot read it has lost it. A link in its place is replaced.
    if (isMissing(error) || codeOf(error) === 'EIO' || codeOf(error) === 'ELOOP') return false;
    throw error;
  }
}

/**
 * Makes an object again, also one that is there: what is read may be in the page cache alone, and for good. Bytes that the disk
 * refused are not written again by themselves, and the kernel tells of that once: to the process that ended because of it. Nor does
 * it help to write them over (ext4 leaves them in an extent that it takes for unwritten).
 * @returns whether it was there
 */
function restore(path: string, bytes: Uint8Array, options: RecoveryOptions): boolean {
  const wasThere = isThere(path, bytes);
  try {
    placeAgain(path, bytes, options);
  } catch (error) {
    // What is there can be served from a full disk.
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
