import { accessSync, constants, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openFormat, proveStore, StoreRefused } from '../prepare.ts';
import { FilesystemDriver, type FilesystemOptions } from './driver.ts';
import { codeOf } from './durability.ts';
import { FolderLock } from './lock.ts';

export interface DataFolder {
  readonly driver: FilesystemDriver;
  /** The store's ULID. */
  readonly store: string;
  close(): Promise<void>;
}

/**
 * Opens the data folder for the one process that may write to it, making it first where it does not exist.
 * @param root absolute path
 * @throws StoreRefused in one line: another process holds it, it cannot be written, its layout is unknown
 */
export async function openDataFolder(
  root: string,
  options: Omit<FilesystemOptions, 'root' | 'writable'>,
): Promise<DataFolder> {
  const lock = lockFolder(root);
  try {
    cleanTemporary(root);
    const driver = new FilesystemDriver({ ...options, root, writable: true });
    const store = await openFormat(driver, options.uniqueName);
    await proveStore(driver, options.uniqueName);
    return {
      driver,
      store,
      close: async () => {
        await driver.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

function lockFolder(root: string): FolderLock {
  try {
    mkdirSync(root, { recursive: true });
    accessSync(root, constants.R_OK | constants.W_OK | constants.X_OK);
    const lock = FolderLock.take(root);
    if (lock !== undefined) return lock;
  } catch (error) {
    throw new StoreRefused(
      `the data folder ${root} cannot be used (${codeOf(error) ?? String(error)}): check its path and owner`,
    );
  }
  throw new StoreRefused(`the data folder ${root} is in use by another Marina: stop that one, or set STORAGE_PATH`);
}

/** What an earlier process did not get to link or rename was never acknowledged. */
function cleanTemporary(root: string): void {
  const folder = join(root, 'tmp');
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) if (name !== 'reserve') rmSync(join(folder, name), { recursive: true });
}
