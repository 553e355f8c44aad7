import { accessSync, constants, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { closeToOthers, makePrivateFolder } from '../../system/private-files.ts';
import { noCrash } from '../crash-points.ts';
import type { StoreReader } from '../driver.ts';
import { FORMAT } from '../paths.ts';
import { NoStore, openFormat, proveStore, readFormat, StoreRefused } from '../prepare.ts';
import { FilesystemDriver, type FilesystemOptions } from './driver.ts';
import { makeRoot } from './folders.ts';
import { FolderLock } from './lock.ts';
import { requireOwner, runAs } from './owner.ts';
import { codeOf, isFull, isMissing } from './system-errors.ts';
import { needsRecovery, openWal } from './wal/open.ts';

/** To the operator of a file system on which `link` has no one winner. */
const ADVICE = 'its hard links are not atomic; use a local disk, or NFS mounted with noac,lookupcache=none';

export interface DataFolder {
  readonly driver: FilesystemDriver;
  /** The store's ULID. */
  readonly store: string;
  close(): Promise<void>;
}

/**
 * Opens the data folder for the one process that may write to it, or for the nodes of a cluster, making it first where it does
 * not exist.
 * @param root absolute path
 * @throws StoreRefused in one line: another process holds it, it cannot be written, its layout is unknown
 */
export async function openDataFolder(
  root: string,
  options: Omit<FilesystemOptions, 'root' | 'writable' | 'hasReserve' | 'wal'> & {
    /** Other nodes of a cluster work on the same folder; a process that wants it alone is refused all the same. */
    readonly shared?: boolean;
    /** false: each small object is synced by itself. */
    readonly writeAhead?: boolean;
    /** Others could enter the folder of a store, as earlier versions made it; now they cannot. @param mode until now */
    readonly onClosed?: (mode: number) => void;
    /** Objects that a power cut had taken were made again. */
    readonly onRecovered?: (objects: number) => void;
  },
): Promise<DataFolder> {
  const { shared = false } = options;
  const lock = lockFolder(root, shared);
  try {
    closeFolder(root, options.onClosed);
    if (!shared) cleanTemporary(root);
    else if (needsRecovery(root)) {
      throw new StoreRefused(
        `the data folder ${root} was left in the middle of its work by a Marina that had it alone: start that one once more, and stop it`,
      );
    }
    const { uniqueName, fatal, writeAhead: enabled = true } = options;
    const opened = shared ? undefined : await openWal({ root, uniqueName, fatal, enabled });
    if (opened !== undefined && opened.recovered > 0) options.onRecovered?.(opened.recovered);
    const driver = new FilesystemDriver({ ...options, root, writable: true, hasReserve: !shared, wal: opened?.wal });
    const known = await readFormat(driver);
    const store = known ?? (await openFormat(driver, options.uniqueName));
    await proveStore(driver, options.uniqueName, ADVICE).catch((error: unknown) => {
      // What is there can be served from a full disk; it was proven when it was made.
      if (known === undefined || !isFull(error)) throw error;
    });
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
    if (isFull(error)) throw new StoreRefused(`the data folder ${root} has no room left: free some space there`);
    throw error;
  }
}

/**
 * Opens a data folder for looking only, whether a process serves it or not. Nothing is made or written, and the lock is not
 * even tried: who tries it holds it for a moment, and a server that starts in that moment would be refused.
 * @param root absolute path
 * @throws StoreRefused in one line: there is no such folder, it is no store, its layout is unknown
 */
export async function openFolderReadOnly(root: string): Promise<StoreReader> {
  const unused = (): never => {
    throw new Error('a store that was opened for looking only is written to');
  };
  const driver = new FilesystemDriver({
    root,
    writable: false,
    uniqueName: unused,
    now: unused,
    reach: noCrash,
    fatal: unused,
  });
  let store: string | undefined;
  try {
    if (!statSync(root).isDirectory()) throw new StoreRefused(`${root} is no folder: set STORAGE_PATH`);
    accessSync(root, constants.R_OK | constants.X_OK);
    store = await readFormat(driver);
  } catch (error) {
    if (error instanceof StoreRefused) throw error;
    const reason = isMissing(error) ? 'does not exist' : `cannot be read (${codeOf(error) ?? String(error)})`;
    const Refused = isMissing(error) ? NoStore : StoreRefused;
    throw new Refused(`the data folder ${root} ${reason}: set STORAGE_PATH, or ${adviceAbout(root)}`);
  }
  if (store === undefined) {
    throw new NoStore(`${root} is no data folder of Marina, it has no object \`format\`: set STORAGE_PATH`);
  }
  return driver;
}

/** To those who may not enter it. */
function adviceAbout(root: string): string {
  try {
    const { uid } = statSync(root);
    return uid === process.geteuid?.() ? 'check its owner' : `run this with ${runAs(uid)}`;
  } catch {
    return 'check its owner';
  }
}

function lockFolder(root: string, shared: boolean): FolderLock {
  try {
    makeRoot(root);
    requireOwner(root);
    accessSync(root, constants.R_OK | constants.W_OK | constants.X_OK);
    const lock = FolderLock.take(root, shared);
    if (lock !== undefined) return lock;
  } catch (error) {
    if (error instanceof StoreRefused) throw error;
    throw new StoreRefused(
      `the data folder ${root} cannot be used (${codeOf(error) ?? String(error)}): check its path and owner`,
    );
  }
  throw new StoreRefused(`the data folder ${root} is in use by another Marina: stop that one, or set STORAGE_PATH`);
}

/** Whoever may enter it may read every image; and the control socket is to be in a folder of its own kind from its birth. */
function closeFolder(root: string, onClosed: (mode: number) => void = () => {}): void {
  const mode = closeToOthers(root);
  if (mode !== undefined && existsSync(join(root, FORMAT))) onClosed(mode);
  const temporary = join(root, 'tmp');
  makePrivateFolder(temporary);
  closeToOthers(temporary);
}

/** What an earlier process did not get to link or rename was never acknowledged. */
function cleanTemporary(root: string): void {
  const folder = join(root, 'tmp');
  for (const name of readdirSync(folder)) if (name !== 'reserve') rmSync(join(folder, name), { recursive: true });
}
