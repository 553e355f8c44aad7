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

/** A folder that two processes share, each with a driver of its own. */
export async function openSharedFolder(): Promise<{
  readonly driver: FilesystemDriver;
  readonly other: FilesystemDriver;
  close(): Promise<void>;
}> {
  const root = temporaryFolder('storage');
  const [one, two] = [await openFolder(root, true), await openFolder(root, true)];
  return {
    driver: one.driver,
    other: two.driver,
    async close() {
      await two.close();
      await one.close();
    },
  };
}

export function openTemporaryFolder(): Promise<OpenFolder> {
  return openFolder(temporaryFolder('storage'), false);
}

async function openFolder(root: string, shared: boolean): Promise<OpenFolder> {
  const open = () =>
    openDataFolder(root, {
      shared,
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
