import { rm, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { CreateResult, Key } from '../driver.ts';
import { isNamed, link, openForNames, renameInto, writeSynced, writeUnsynced } from './files.ts';
import type { FilesPorts } from './ports.ts';
import type { Reserve } from './reserve.ts';
import { isFull } from './system-errors.ts';
import { AHEAD_BYTES, type WriteAheadLog } from './wal/wal.ts';

interface CreationPorts extends Omit<FilesPorts, 'admit'> {
  readonly reserve: Reserve | undefined;
}

const NAMELESS = 'an object could not be given its name';

/** Gives objects names that only one may have. */
export class Creation {
  readonly #ports: CreationPorts;
  readonly #creating = new Map<Key, Promise<unknown>>();

  constructor(ports: CreationPorts) {
    this.#ports = ports;
  }

  /** As the driver's: one winner for a name, durable before it is told. */
  async create(key: Key, bytes: Uint8Array, first?: () => Promise<void>): Promise<CreateResult> {
    const { wal } = this.#ports;
    if (wal === undefined) return await this.#createSynced(key, bytes, first);
    return await this.#alone(key, () =>
      // Of a name that was removed since it was told of, the removal would be the last word.
      bytes.length <= AHEAD_BYTES || wal.covers(key)
        ? this.#createAhead(wal, key, bytes, first)
        : this.#createSynced(key, bytes, first),
    );
  }

  /** The log has its record before the object has its name: so there must be one winner before that. */
  async #alone<T>(key: Key, work: () => Promise<T>): Promise<T> {
    const before = this.#creating.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.#creating.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#creating.get(key) === mine) this.#creating.delete(key);
    }
  }

  async #createAhead(
    wal: WriteAheadLog,
    key: Key,
    bytes: Uint8Array,
    first: (() => Promise<void>) | undefined,
  ): Promise<CreateResult> {
    const path = this.#path(key);
    if (isNamed(path)) return 'taken';
    const { reach } = this.#ports;
    // What is told of must get its name, or the process ends, and no other one can start: so this is found out before.
    await this.#withReserve(async () => openForNames(dirname(path)));
    reach('create.before-write');
    const temporary = this.#path(`tmp/${this.#ports.uniqueName()}`);
    await this.#withReserve(() => writeUnsynced(temporary, bytes));
    let isTold = false;
    try {
      await first?.();
      reach('create.before-sync');
      await this.#withReserve(() =>
        wal.append({ kind: 'object', key, bytes }, async () => {
          isTold = true;
          reach('create.before-link');
          await this.#give(temporary, path);
          reach('create.before-folder-sync');
          reach('create.after-folder-sync');
        }),
      );
    } catch (error) {
      await rm(temporary, { force: true });
      if (isTold) await this.#takeBack(wal, key);
      throw error;
    }
    this.#ports.reserve?.restore();
    return 'created';
  }

  /**
   * What the write-ahead log tells of must get its name: a process that cannot give it ends, and the next one does it.
   * @throws RegistryError `storage-full`: it is to be taken back
   */
  async #give(temporary: string, path: string): Promise<void> {
    try {
      await renameInto(temporary, path);
    } catch (error) {
      if (isFull(error)) throw error;
      this.#ports.fatal(NAMELESS, error);
    }
  }

  /** Its folder had no room for one more name. The room of its bytes, which are gone by now, is enough to say so. */
  async #takeBack(wal: WriteAheadLog, key: Key): Promise<void> {
    try {
      await wal.append({ kind: 'removed', key });
    } catch (error) {
      this.#ports.fatal(NAMELESS, error);
    }
  }

  async #createSynced(key: Key, bytes: Uint8Array, first?: () => Promise<void>): Promise<CreateResult> {
    const path = this.#path(key);
    const temporary = await this.#withReserve(() => this.#prepareSlot(path, bytes));
    const { reach } = this.#ports;
    let removed: Promise<void> | undefined;
    try {
      await first?.();
      reach('create.before-link');
      if ((await this.#withReserve(() => link(temporary, path))) === 'taken') return 'taken';
      removed = unlink(temporary);
      reach('create.before-folder-sync');
      await this.#ports.diskSync.folder(dirname(path));
      reach('create.after-folder-sync');
    } finally {
      await (removed ?? unlink(temporary));
    }
    this.#ports.reserve?.restore();
    return 'created';
  }

  /** The bytes under a temporary name, synced. */
  async #prepareSlot(path: string, bytes: Uint8Array): Promise<string> {
    await this.#ports.diskSync.ensureFolder(dirname(path), this.#ports.root);
    const { reach } = this.#ports;
    reach('create.before-write');
    const temporary = this.#path(`tmp/${this.#ports.uniqueName()}`);
    await writeSynced(temporary, bytes, {
      diskSync: this.#ports.diskSync,
      beforeSync: () => reach('create.before-sync'),
    });
    return temporary;
  }

  /** For the log alone: when the disk is full its reserve is given up, if that was not done already, and the work repeated. */
  async #withReserve<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!isFull(error)) throw error;
      this.#ports.reserve?.giveUp();
      return await work();
    }
  }

  #path(key: Key): string {
    return this.#ports.pathOf(key);
  }
}
