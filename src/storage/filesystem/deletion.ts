import { existsSync } from 'node:fs';
import { readdir, rm, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DeleteFailure, DeleteOptions, Key } from '../driver.ts';
import type { FileThread } from './file-thread.ts';
import type { FilesPorts } from './ports.ts';
import { isMissing } from './system-errors.ts';

interface DeletionPorts extends Pick<FilesPorts, 'pathOf' | 'diskSync' | 'wal'> {
  readonly threads: readonly FileThread[];
}

/** Objects that a thread removes in one go: for less than a millisecond it may keep others from a processor. */
const UNLINK_BATCH = 16;
/** So many or fewer are removed on Bun's pool: threads would have to be started for them. */
const FEW = 16;
/** Folders that are synced together: each takes a descriptor meanwhile, and there are a thousand shelves. */
const SYNCED_TOGETHER = 32;

/** Removes objects, many of them on other threads. */
export class Deletion {
  readonly #ports: DeletionPorts;

  constructor(ports: DeletionPorts) {
    this.#ports = ports;
  }

  /** As the driver's: each key's failure is reported, and a missing one is deleted. */
  async delete(keys: readonly Key[], { durable = true }: DeleteOptions = {}): Promise<DeleteFailure[]> {
    const failures: DeleteFailure[] = [];
    const folders = durable ? new Set<string>() : undefined;
    let next = 0;
    const removeBatches = async (remove: RemovePaths): Promise<void> => {
      for (;;) {
        const batch = keys.slice(next, next + UNLINK_BATCH);
        if (batch.length === 0) return;
        next += batch.length;
        await this.#deleteBatch(batch, remove, { failures, folders });
      }
    };
    if (keys.length <= FEW) await removeBatches(removeOnPool);
    else {
      const lanes = this.#ports.threads.map((thread) => removeBatches((paths) => thread.remove(paths)));
      // A thread that ends fails this, but not before nothing is removed any more.
      for (const lane of await Promise.allSettled(lanes)) if (lane.status === 'rejected') throw lane.reason;
    }
    if (folders !== undefined) await this.#syncAll([...folders]);
    return failures;
  }

  /** As the driver's: a folder with all that is in it. */
  async deleteAll(prefix: Key): Promise<void> {
    const { pathOf, diskSync, wal } = this.#ports;
    const path = pathOf(prefix).replace(/\/$/, '');
    if (!existsSync(path)) return;
    const untold = await this.#tellRemoved(wal?.coveredBelow(prefix) ?? []);
    for (const cause of untold.values()) throw cause;
    const below = await readdir(path, { recursive: true, withFileTypes: true });
    await rm(path, { recursive: true, force: true });
    diskSync.forgetFolder(path);
    for (const entry of below) {
      if (entry.isDirectory()) diskSync.forgetFolder(join(entry.parentPath, entry.name));
    }
  }

  async #syncAll(folders: readonly string[]): Promise<void> {
    for (let from = 0; from < folders.length; from += SYNCED_TOGETHER) {
      await Promise.all(folders.slice(from, from + SYNCED_TOGETHER).map((folder) => this.#sync(folder)));
    }
  }

  async #sync(folder: string): Promise<void> {
    try {
      await this.#ports.diskSync.folder(folder);
    } catch (error) {
      // Of a missing object: nothing was ever in it.
      if (!isMissing(error)) throw error;
    }
  }

  /** Else those that the write-ahead log tells of came back after a power cut. @returns why it could not be told of some */
  async #tellRemoved(keys: readonly Key[]): Promise<ReadonlyMap<Key, unknown>> {
    const { wal } = this.#ports;
    const causes = new Map<Key, unknown>();
    await Promise.all(
      keys.map(async (key) => {
        try {
          if (wal?.covers(key) === true) await wal.append({ kind: 'removed', key });
        } catch (error) {
          causes.set(key, error);
        }
      }),
    );
    return causes;
  }

  async #deleteBatch(
    batch: readonly Key[],
    remove: RemovePaths,
    { failures, folders }: { failures: DeleteFailure[]; folders: Set<string> | undefined },
  ): Promise<void> {
    const untold = await this.#tellRemoved(batch);
    for (const [key, cause] of untold) failures.push({ key, cause });
    const told = untold.size === 0 ? batch : batch.filter((key) => !untold.has(key));
    const paths = told.map((key) => this.#ports.pathOf(key));
    const causes = await remove(paths);
    for (const [index, key] of told.entries()) {
      const cause = causes.get(index);
      if (cause !== undefined && !isMissing(cause)) failures.push({ key, cause });
      // Of a missing one too: whoever removed it may have ended before that was durable.
      else folders?.add(dirname(paths[index] ?? ''));
    }
  }
}

/** @returns why files were not removed, by their place in the list */
type RemovePaths = (paths: readonly string[]) => Promise<ReadonlyMap<number, unknown>>;

async function removeOnPool(paths: readonly string[]): Promise<ReadonlyMap<number, unknown>> {
  const causes = new Map<number, unknown>();
  await Promise.all(
    paths.map(async (path, index) => {
      try {
        await unlink(path);
      } catch (error) {
        causes.set(index, error);
      }
    }),
  );
  return causes;
}
