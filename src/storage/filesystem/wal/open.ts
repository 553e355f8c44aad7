import { join } from 'node:path';
import { codeOf } from '../../../system/error-code.ts';
import { StoreRefused } from '../../prepare.ts';
import { DiskSync, type Fatal } from '../disk-sync.ts';
import { isFull } from '../system-errors.ts';
import { canSyncAtOnce, FileSystem } from './file-system.ts';
import { type RecoveryOptions, recoverObjects, walFilesIn } from './recovery.ts';
import { WriteAheadLog } from './wal.ts';

export interface OpenWalOptions {
  /** Absolute path of the data folder. */
  readonly root: string;
  readonly uniqueName: () => string;
  readonly fatal: Fatal;
  /** false: only recover the records of an earlier process; log nothing new. */
  readonly enabled: boolean;
  /** Makes everything durable that earlier processes left in the folder, whether or not it was logged. */
  readonly syncFirst?: boolean;
}

export interface OpenedWal {
  /** undefined if disabled, if the file system cannot be synced with one call, or if it has no space. */
  readonly wal: WriteAheadLog | undefined;
  /** How many objects a power cut had taken and recovery restored. */
  readonly recovered: number;
}

/**
 * For the process that has the data folder alone, before it reads anything in it.
 * @throws StoreRefused in one line
 */
export async function openWal({ root, uniqueName, fatal, enabled, syncFirst }: OpenWalOptions): Promise<OpenedWal> {
  const folder = walFolder(root);
  const diskSync = new DiskSync(fatal);
  const fileSystem = canSyncAtOnce(root) ? new FileSystem(root) : undefined;
  const recovered = await recover({ root, folder, diskSync, fileSystem, uniqueName });
  if (fileSystem !== undefined && enabled) {
    try {
      await diskSync.ensureFolder(folder, root);
      if (syncFirst === true) await syncAll(fileSystem, root);
      return { wal: new WriteAheadLog({ folder, diskSync, fileSystem, fatal }), recovered };
    } catch (error) {
      // An existing store can be served from a full disk.
      if (!isFull(error)) throw error;
    }
  }
  fileSystem?.close();
  return { wal: undefined, recovered };
}

async function syncAll(fileSystem: FileSystem, root: string): Promise<void> {
  try {
    await fileSystem.sync();
  } catch (cause) {
    throw new StoreRefused(`the file system of ${root} cannot be synced: check the disk`, { cause });
  }
}

async function recover(options: RecoveryOptions): Promise<number> {
  try {
    return await recoverObjects(options);
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined || isFull(error)) throw error;
    throw new StoreRefused(
      `the records of the last process in ${options.folder} cannot be recovered (${code}): check the owner of the files in ${options.root}, and the disk`,
      { cause: error },
    );
  }
}

/** Whether a process that had the folder alone left records that are not checkpointed. */
export function needsRecovery(root: string): boolean {
  return walFilesIn(walFolder(root)).length > 0;
}

function walFolder(root: string): string {
  return join(root, 'wal');
}
