import { closeSync, openSync, statfsSync } from 'node:fs';
import { release } from 'node:os';
import type { SyncReply } from './sync-worker.ts';

/**
 * Local file systems whose syncfs(2) writes all that is dirty and waits for the disk: ext2 to ext4, XFS, btrfs, F2FS. One that others
 * share, or that passes on to something else (NFS, FUSE, overlay), may answer sooner.
 */
const KNOWN: ReadonlySet<number> = new Set([0xef53, 0x58465342, 0x9123683e, 0xf2f52010]);
/** Before it, syncfs said nothing of bytes that could not be written. */
const LEAST_KERNEL = [5, 8] as const;

/** Whether all that was written below a folder can be made durable, and be known to be, by one call. */
export function canSyncAtOnce(root: string): boolean {
  if (process.platform !== 'linux') return false;
  const [major = 0, minor = 0] = release()
    .split('.')
    .map((part) => Number.parseInt(part, 10));
  const isNew = major > LEAST_KERNEL[0] || (major === LEAST_KERNEL[0] && minor >= LEAST_KERNEL[1]);
  return isNew && KNOWN.has(statfsSync(root).type);
}

/** The file system that a folder is on. */
export class FileSystem {
  readonly #descriptor: number;
  #worker: Worker | undefined;
  #syncing: { resolve: () => void; reject: (error: Error) => void } | undefined;

  /** @param root open from now on: what fails to be written from now on is told */
  constructor(root: string) {
    this.#descriptor = openSync(root, 'r');
  }

  /** Starts the thread that syncs, which takes descriptors: later there may be none. */
  prepare(): void {
    this.#worker ??= this.#start();
    this.#worker.unref();
  }

  /** All that was written before it is durable. One at a time. @throws Error where bytes could not be written */
  sync(): Promise<void> {
    this.#worker ??= this.#start();
    const worker = this.#worker;
    // Whoever waits for it keeps the process alive, at its end too.
    worker.ref();
    return new Promise<void>((resolve, reject) => {
      this.#syncing = { resolve, reject };
      worker.postMessage(this.#descriptor);
    });
  }

  close(): void {
    this.#worker?.terminate();
    closeSync(this.#descriptor);
  }

  #start(): Worker {
    const worker = new Worker(new URL('./sync-worker.ts', import.meta.url).href);
    worker.onmessage = (event: MessageEvent<SyncReply>) => this.#end(event.data.ok ? undefined : 'syncfs failed');
    worker.onerror = (event) => this.#end(`the syncing thread ended: ${event.message}`);
    return worker;
  }

  #end(failure: string | undefined): void {
    this.#worker?.unref();
    const waiting = this.#syncing;
    this.#syncing = undefined;
    if (failure === undefined) waiting?.resolve();
    else waiting?.reject(new Error(failure));
  }
}
