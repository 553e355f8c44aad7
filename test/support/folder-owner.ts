// A thread that owns a data folder, as the main thread of a server with THREADS does, and drivers of other threads on it.
import { ulid } from 'ulid';
import { noCrash } from '../../src/storage/crash-points.ts';
import { ThreadDriver } from '../../src/storage/filesystem/threads/driver.ts';
import { STORE_CALLS, type StoreCalls } from '../../src/storage/filesystem/threads/protocol.ts';
import { remote } from '../../src/threads/calls.ts';
import type { OwnerStart } from './folder-owner-worker.ts';
import { removeFolder, temporaryFolder } from './server.ts';

export interface OpenOwner {
  readonly root: string;
  /** The owner's ends are in its thread; each of these is for one other thread. */
  readonly ports: readonly MessagePort[];
  /** Closes the folder, and removes it. */
  close(): Promise<void>;
}

/** Starts a Worker that opens a fresh data folder and serves other threads. */
export async function openOwner(threads: number, options: Pick<OwnerStart, 'writeAhead'> = {}): Promise<OpenOwner> {
  const root = temporaryFolder('owner');
  const channels = Array.from({ length: threads }, () => new MessageChannel());
  const worker = new Worker(new URL('./folder-owner-worker.ts', import.meta.url).href);
  const said = (): Promise<string> =>
    new Promise((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<string>) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });
  const ready = said();
  const ports = channels.map(({ port2 }) => port2);
  const start: OwnerStart = { root, ports, ...options };
  worker.postMessage(start, ports);
  await ready;
  return {
    root,
    ports: channels.map(({ port1 }) => port1),
    async close() {
      const closed = said();
      worker.postMessage('close');
      await closed;
      worker.terminate();
      removeFolder(root);
    },
  };
}

/** The driver of a thread, over its port to the owner. */
export async function openThreadDriver(port: MessagePort): Promise<ThreadDriver> {
  const owner = remote<StoreCalls>(port, STORE_CALLS);
  return new ThreadDriver({
    owner,
    folder: await owner.open(),
    uniqueName: () => ulid(),
    reach: noCrash,
    fatal: (reason, cause) => {
      throw new Error(reason, { cause });
    },
  });
}
