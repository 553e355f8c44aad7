// A data folder of the filesystem driver, opened as the server opens it.
import { ulid } from 'ulid';
import { noCrash } from '../../src/storage/crash-points.ts';
import type { FilesystemDriver } from '../../src/storage/filesystem/driver.ts';
import { openDataFolder } from '../../src/storage/filesystem/folder.ts';
import { removeFolder, temporaryFolder } from './server.ts';

export interface OpenFolder {
  readonly root: string;
  readonly driver: FilesystemDriver;
  /** Closes the driver and opens another one on the same folder, as a restart does. */
  reopen(): Promise<FilesystemDriver>;
  /** Closes the driver and removes the folder. */
  close(): Promise<void>;
}

export async function openTemporaryFolder(): Promise<OpenFolder> {
  const root = temporaryFolder('storage');
  const open = () =>
    openDataFolder(root, {
      uniqueName: () => ulid(),
      now: Date.now,
      reach: noCrash,
      fatal: (reason, cause) => {
        throw new Error(reason, { cause });
      },
    });
  let folder = await open();
  return {
    root,
    get driver() {
      return folder.driver;
    },
    async reopen() {
      await folder.close();
      folder = await open();
      return folder.driver;
    },
    async close() {
      await folder.close();
      removeFolder(root);
    },
  };
}
