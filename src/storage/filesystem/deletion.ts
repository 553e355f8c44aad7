import { type Dirent, existsSync } from 'node:fs';
import { readdir, rm, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DeleteFailure, DeleteOptions, Key } from '../driver.ts';
import type { FileThread } from './file-thread.ts';
import type { FilesPorts } from './ports.ts';
import { isMissing } from './system-errors.ts';

interface DeletionPorts extends Pick<FilesPorts, 'pathOf' | 'diskSync' | 'wal'> {
  readonly threads: readonly FileThread[];
}

/**
 * Objects that a thread removes in one batch: it takes less than a millisecond, so that it does not keep requests
 * from a processor.
 */
const UNLINK_BATCH = 16;
/** Up to this many are removed on Bun's thread pool: starting threads for them would take longer. */
const MAX_ON_POOL = 16;
/** Folder syncs in flight: each takes a descriptor, and there are a thousand shelves. */
const SYNC_CONCURRENCY = 32;

/** Removes objects, on other threads if there are many. */
export class Deletion {
  readonly #ports: DeletionPorts;

  constructor(ports: DeletionPorts) {
    this.#ports = ports;
  }

  /** See ObjectStore.delete. */
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
    if (keys.length <= MAX_ON_POOL) await removeBatches(removeOnPool);
    else {
      const lanes = this.#ports.threads.map((thread) => removeBatches((paths) => thread.remove(paths)));
      // A thread that died fails the whole call, but only after the other one has stopped removing.
      for (const lane of await Promise.allSettled(lanes)) if (lane.status === 'rejected') throw lane.reason;
    }
    if (folders !== undefined) await this.#syncAll([...folders]);
    return failures;
  }

  /** See ObjectStore.deleteAll. */
  async deleteAll(prefix: Key): Promise<void> {
    const { pathOf, diskSync, wal } = this.#ports;
    const path = pathOf(prefix).replace(/\/$/, '');
    if (!existsSync(path)) return;
    const unlogged = await this.#logRemoved(wal?.coveredBelow(prefix) ?? []);
    for (const cause of unlogged.values()) throw cause;
    const below = await entriesBelow(path);
    await rm(path, { recursive: true, force: true });
    diskSync.forgetFolder(path);
    for (const entry of below) {
      if (entry.isDirectory()) diskSync.forgetFolder(join(entry.parentPath, entry.name));
    }
  }

  async #syncAll(folders: readonly string[]): Promise<void> {
    for (let from = 0; from < folders.length; from += SYNC_CONCURRENCY) {
      await Promise.all(folders.slice(from, from + SYNC_CONCURRENCY).map((folder) => this.#sync(folder)));
    }
  }

  async #sync(folder: string): Promise<void> {
    try {
      await this.#ports.diskSync.folder(folder);
    } catch (error) {
      // The folder of a missing object: nothing was ever in it.
      if (!isMissing(error)) throw error;
    }
  }

  /**
   * Logs the removal of objects that the write-ahead log covers: else recovery would bring them back after a power
   * cut.
   * @returns the keys whose removal could not be logged, and why
   */
  async #logRemoved(keys: readonly Key[]): Promise<ReadonlyMap<Key, unknown>> {
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
    const unlogged = await this.#logRemoved(batch);
    for (const [key, cause] of unlogged) failures.push({ key, cause });
    const logged = unlogged.size === 0 ? batch : batch.filter((key) => !unlogged.has(key));
    const paths = logged.map((key) => this.#ports.pathOf(key));
    const causes = await remove(paths);
    for (const [index, key] of logged.entries()) {
      const cause = causes.get(index);
      if (cause !== undefined && !isMissing(cause)) failures.push({ key, cause });
      // Synced for missing objects too, because the process that removed them may have died before that was durable.
      else folders?.add(dirname(paths[index] ?? ''));
    }
  }
}

/** @returns why files were not removed, by their index */
type RemovePaths = (paths: readonly string[]) => Promise<ReadonlyMap<number, unknown>>;

/** @returns none if the folder vanishes: another call removes it at the same time, and knows what was in it */
async function entriesBelow(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { recursive: true, withFileTypes: true });
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

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
