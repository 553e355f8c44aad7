import { closeSync, openSync, unlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Durability, Key, WrittenObject } from '../driver.ts';
import { isNamed, makeFile, writeFully, writeUnsynced } from './files.ts';
import type { FilesPorts, ObjectLog, Syncs } from './ports.ts';
import { isFull, storageFull } from './system-errors.ts';
import { UnloggedObject } from './unlogged.ts';
import { MAX_LOGGED_BYTES } from './wal/wal.ts';

export interface FileDurabilityPorts extends Pick<FilesPorts, 'root' | 'pathOf' | 'admit' | 'reach'> {
  readonly diskSync: Syncs;
  readonly wal: ObjectLog | undefined;
}

/** The part of the driver that makes objects durable separately from the operation that wrote them. */
export class FileDurability implements Durability {
  readonly #ports: FileDurabilityPorts;

  constructor(ports: FileDurabilityPorts) {
    this.#ports = ports;
  }

  /**
   * Writes to the final name directly: the entry and the bytes are one transaction of the file system, a rename would
   * be another.
   */
  async write(key: Key, bytes: Uint8Array): Promise<WrittenObject> {
    const { root, diskSync, wal, admit, reach, pathOf } = this.#ports;
    const path = pathOf(key);
    admit();
    if (wal !== undefined && bytes.length <= MAX_LOGGED_BYTES) {
      await writeUnsynced(path, bytes);
      reach('put.before-sync');
      return new UnloggedObject(key, bytes, { log: wal, pathOf });
    }
    await diskSync.ensureFolder(dirname(path), root);
    const descriptor = await makeFile(path, 'wx');
    try {
      writeFully(descriptor, bytes);
    } catch (error) {
      closeSync(descriptor);
      unlinkSync(path);
      throw isFull(error) ? storageFull(error) : error;
    }
    reach('put.before-sync');
    return written(this.#settle(path, descriptor));
  }

  async confirm(key: Key): Promise<void> {
    const { diskSync, wal, pathOf } = this.#ports;
    const path = pathOf(key);
    // The object got its name after its record was synced.
    if (wal?.holds(key) === true && isNamed(path)) return;
    const descriptor = openSync(path, 'r');
    try {
      await diskSync.file(descriptor);
    } finally {
      closeSync(descriptor);
    }
    await diskSync.folder(dirname(path));
  }

  async #settle(path: string, descriptor: number): Promise<void> {
    const { diskSync, reach } = this.#ports;
    try {
      // Concurrently: most file systems combine them into one transaction.
      await Promise.all([diskSync.file(descriptor), diskSync.folder(dirname(path))]);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      closeSync(descriptor);
    }
    reach('put.after-folder-sync');
  }
}

/** Callers that rely on the promise see its rejection; others need not handle it. */
function written(durable: Promise<void>): WrittenObject {
  durable.catch(() => {});
  return { settle: () => durable };
}
