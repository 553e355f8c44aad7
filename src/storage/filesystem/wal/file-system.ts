import { closeSync, openSync, statfsSync } from 'node:fs';
import { release } from 'node:os';
import type { SyncReply } from './sync-worker.ts';

/**
 * Local file systems whose syncfs(2) writes all dirty data and waits for the disk: ext2 to ext4, XFS, btrfs, F2FS.
 * Shared or stacked ones (NFS, FUSE, overlay) may return sooner.
 */
const KNOWN: ReadonlySet<number> = new Set([0xef53, 0x58465342, 0x9123683e, 0xf2f52010]);
/** Earlier kernels did not report writeback errors from syncfs. */
const MIN_KERNEL = [5, 8] as const;

/** Whether one call can make everything below a folder durable and report failures. */
export function canSyncAtOnce(root: string): boolean {
  if (process.platform !== 'linux') return false;
  const [major = 0, minor = 0] = release()
    .split('.')
    .map((part) => Number.parseInt(part, 10));
  const isNew = major > MIN_KERNEL[0] || (major === MIN_KERNEL[0] && minor >= MIN_KERNEL[1]);
  return isNew && KNOWN.has(statfsSync(root).type);
}

/** The file system that a folder is on. */
export class FileSystem {
  readonly #descriptor: number;
  #worker: Worker | undefined;
  #syncing: { resolve: () => void; reject: (error: Error) => void } | undefined;

  /** @param root kept open, so that writeback errors from now on are reported */
  constructor(root: string) {
    this.#descriptor = openSync(root, 'r');
  }

  /** Starts the syncing thread now: it needs descriptors, which may be scarce later. */
  prepare(): void {
    this.#worker ??= this.#start();
    this.#worker.unref();
  }

  /**
   * Makes everything written so far durable. One call at a time.
   * @throws Error if bytes could not be written
   */
  sync(): Promise<void> {
    this.#worker ??= this.#start();
    const worker = this.#worker;
    // A pending sync keeps the process alive, at its end too.
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
