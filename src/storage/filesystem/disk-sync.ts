import { closeSync, fdatasync, fsync, openSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { LRUCache } from 'lru-cache';
import { makeFolder } from './folders.ts';
import { isFull, storageFull } from './system-errors.ts';

const fsyncDescriptor = promisify(fsync);
const fdatasyncDescriptor = promisify(fdatasync);

/** Called when the kernel failed to sync. The page cache can no longer be trusted, so the process must end. */
export type Fatal = (reason: string, cause: unknown) => never;

interface FolderSync {
  running: Promise<void>;
  next: Promise<void> | undefined;
}

/** Folders remembered as durable. Forgetting one costs a sync. */
const KNOWN_FOLDERS = 100_000;

/** Makes files and folder entries survive a power cut. Concurrent syncs of one folder are coalesced. */
export class DiskSync {
  readonly #fatal: Fatal;
  readonly #syncing = new Map<string, FolderSync>();
  readonly #known = new LRUCache<string, true>({ max: KNOWN_FOLDERS });

  constructor(fatal: Fatal) {
    this.#fatal = fatal;
  }

  /**
   * Syncs the data and the metadata needed to read it back.
   * @throws RegistryError `storage-full` if the bytes did not fit after all
   */
  async file(descriptor: number, what: 'all' | 'data' = 'all'): Promise<void> {
    try {
      await (what === 'all' ? fsyncDescriptor(descriptor) : fdatasyncDescriptor(descriptor));
    } catch (error) {
      if (isFull(error)) throw storageFull(error);
      this.#fatal('a file could not be synced to disk', error);
    }
  }

  /**
   * Syncs the entries of a folder as they are now. A sync already running may have missed them, so this waits for the
   * next one.
   */
  async folder(path: string): Promise<void> {
    const current = this.#syncing.get(path);
    if (current === undefined) {
      await this.#start(path);
      return;
    }
    // Also after a failed sync (if no descriptor was left to open the folder), because each queued caller gets its own attempt.
    const start = (): Promise<void> => this.#start(path);
    current.next ??= current.running.then(start, start);
    await current.next;
  }

  #start(path: string): Promise<void> {
    const running = this.#syncFolder(path);
    const entry: FolderSync = { running, next: undefined };
    this.#syncing.set(path, entry);
    return running.finally(() => {
      // If a next one waits, it replaces the entry when it starts.
      if (entry.next === undefined && this.#syncing.get(path) === entry) this.#syncing.delete(path);
    });
  }

  async #syncFolder(path: string): Promise<void> {
    const descriptor = openSync(path, 'r');
    try {
      await fsyncDescriptor(descriptor);
    } catch (error) {
      this.#fatal('a folder could not be synced to disk', error);
    } finally {
      closeSync(descriptor);
    }
  }

  /** Makes a folder with its parents, and makes their entries durable. The result is remembered. */
  async ensureFolder(path: string, root: string): Promise<void> {
    if (this.#known.has(path)) return;
    makeFolder(path);
    if (path !== root) {
      const parent = dirname(path);
      await this.ensureFolder(parent, root);
      await this.folder(parent);
    }
    this.#known.set(path, true);
  }

  /** Makes the missing ones of many folders below one parent, with one sync of the parent. */
  async ensureFolders(folder: string, names: readonly string[], root: string): Promise<void> {
    // Without the trailing slash, since folders are remembered by path.
    const parent = resolve(folder);
    await this.ensureFolder(parent, root);
    const there = new Set(await readdir(parent));
    for (const name of names) if (!there.has(name)) makeFolder(join(parent, name));
    await this.folder(parent);
    for (const name of names) this.#known.set(join(parent, name), true);
  }

  /** To be called when a folder was removed: it must be made and synced again. */
  forgetFolder(path: string): void {
    this.#known.delete(path);
  }
}
