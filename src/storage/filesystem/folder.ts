import { accessSync, constants, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../../system/error-code.ts';
import { closeToOthers, makePrivateFolder } from '../../system/private-files.ts';
import { FORMAT } from '../paths.ts';
import {
  type NewIdentity,
  newStore,
  openFormat,
  proveStore,
  readIdentity,
  type StoreIdentity,
  StoreInUse,
  StoreRefused,
} from '../prepare.ts';
import { FilesystemDriver, type FilesystemOptions } from './driver.ts';
import { makeRoot } from './folders.ts';
import { FolderLock } from './lock.ts';
import { requireOwner } from './owner.ts';
import { isFull } from './system-errors.ts';
import { needsRecovery, openWal } from './wal/open.ts';

/** Advice for a file system on which `link` has more than one winner. */
const ADVICE = 'its hard links are not atomic; use a local disk, or NFS mounted with noac,lookupcache=none';

export interface DataFolder extends StoreIdentity {
  readonly driver: FilesystemDriver;
  close(): Promise<void>;
}

/**
 * Opens the data folder for writing: for one process alone, or for the nodes of a cluster. Makes the folder if it is
 * missing.
 * @param root absolute path
 * @throws StoreRefused in one line: another process holds it, it cannot be written, it belongs to another user, its
 * layout is unknown
 */
export async function openDataFolder(
  root: string,
  options: Omit<FilesystemOptions, 'root' | 'hasReserve' | 'wal'> & {
    /** Other nodes of a cluster use the same folder. A process that wants it alone is still refused. */
    readonly shared?: boolean;
    /** false: each small object is synced separately. */
    readonly writeAhead?: boolean;
    /** How many threads of this process use the folder: this one, and those that `serveThread` serves. Default 1. */
    readonly threads?: number;
    /**
     * Called if other users had access to an existing store, as earlier versions allowed. Now they have none.
     * @param mode the former one
     */
    readonly onClosed?: (mode: number) => void;
    /** Called if recovery restored objects that a power cut had taken. */
    readonly onRecovered?: (objects: number) => void;
    /** What an empty folder becomes; by default a store with a history of its own. */
    readonly identify?: NewIdentity;
  },
): Promise<DataFolder> {
  const { shared = false } = options;
  const lock = lockFolder(root, shared);
  try {
    closeFolder(root, options.onClosed);
    if (!shared) cleanTemporary(root);
    else if (needsRecovery(root)) {
      throw new StoreRefused(
        `the data folder ${root} was not closed properly by a Marina that used it alone: start that one once more, then stop it`,
      );
    }
    const { uniqueName, fatal, writeAhead: enabled = true, threads = 1 } = options;
    const opened = shared ? undefined : await openWal({ root, uniqueName, fatal, enabled, syncFirst: threads > 1 });
    if (opened !== undefined && opened.recovered > 0) options.onRecovered?.(opened.recovered);
    const driver = new FilesystemDriver({ ...options, root, hasReserve: !shared, wal: opened?.wal });
    const known = await readIdentity(driver);
    const identity = known ?? (await openFormat(driver, options.identify ?? newStore(options.uniqueName)));
    await proveStore(driver, options.uniqueName, ADVICE).catch((error: unknown) => {
      // A store that exists can be served from a full disk; it was proven when it was created.
      if (known === undefined || !isFull(error)) throw error;
    });
    return {
      driver,
      ...identity,
      close: async () => {
        await driver.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    if (isFull(error)) throw new StoreRefused(`the data folder ${root} has no space left: free some there`);
    throw error;
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
  throw new StoreInUse(`the data folder ${root} is in use by another Marina: stop that one, or set STORAGE_PATH`);
}

/** Anyone with access could read every image. The control socket needs a private folder before it is bound. */
function closeFolder(root: string, onClosed: (mode: number) => void = () => {}): void {
  const mode = closeToOthers(root);
  if (mode !== undefined && existsSync(join(root, FORMAT))) onClosed(mode);
  const temporary = join(root, 'tmp');
  makePrivateFolder(temporary);
  closeToOthers(temporary);
}

/** Removes files that an earlier process did not link or rename: they were never acknowledged. */
function cleanTemporary(root: string): void {
  const folder = join(root, 'tmp');
  for (const name of readdirSync(folder)) if (name !== 'reserve') rmSync(join(folder, name), { recursive: true });
}
