// The thread of folder-owner.ts that owns the data folder.
import { ulid } from 'ulid';
import { noCrash } from '../../src/storage/crash-points.ts';
import { type DataFolder, openDataFolder } from '../../src/storage/filesystem/folder.ts';
import { offer } from '../../src/threads/calls.ts';

export interface OwnerStart {
  readonly root: string;
  readonly ports: readonly MessagePort[];
  readonly writeAhead?: boolean;
}

declare const self: {
  onmessage: ((event: { data: OwnerStart | 'close' }) => Promise<void>) | null;
  postMessage(said: string): void;
};

let folder: DataFolder | undefined;

self.onmessage = async ({ data }) => {
  if (data === 'close') {
    await folder?.close();
    self.postMessage('closed');
    return;
  }
  const { root, ports, ...options } = data;
  folder = await openDataFolder(root, {
    ...{ uniqueName: () => ulid(), now: Date.now, reach: noCrash, threads: ports.length + 1 },
    ...options,
    fatal: (reason, cause) => {
      throw new Error(reason, { cause });
    },
  });
  for (const port of ports) offer(port, folder.driver.serveThread());
  self.postMessage('ready');
};
