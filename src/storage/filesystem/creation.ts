import { rm, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { CreateResult, Key, NewObject, WrittenObject } from '../driver.ts';
import { settleAll } from '../not-durable.ts';
import { isNamed, link, renameInto, requireWritableFolder, writeSynced, writeUnsynced } from './files.ts';
import type { FilesPorts, Syncs } from './ports.ts';
import { isFull } from './system-errors.ts';
import { createNaming } from './unlogged.ts';
import type { ObjectRecord } from './wal/record.ts';
import { MAX_LOGGED_BYTES, type WriteAheadLog } from './wal/wal.ts';

interface CreationPorts extends Omit<FilesPorts, 'admit' | 'diskSync'> {
  readonly diskSync: Syncs;
  readonly reserve: LogReserve | undefined;
}

/** The reserve, as the log uses it: of this thread, or of the owner. */
export interface LogReserve {
  free(): void | Promise<void>;
  restore(): void | Promise<void>;
}

/** An object that is about to be logged and named. */
export interface Publication extends NewObject {
  /** Of objects that it refers to, which are logged with it. */
  readonly records: readonly ObjectRecord[];
}

const NO_NAME = 'an object could not be given its name';

/** Creates objects under names that have exactly one winner. */
export class Creation {
  readonly #ports: CreationPorts;
  readonly #creating = new Map<Key, Promise<unknown>>();

  constructor(ports: CreationPorts) {
    this.#ports = ports;
  }

  /** See ObjectStore.create: one winner for each name, and durable before it returns. */
  async create(key: Key, bytes: Uint8Array, named: readonly WrittenObject[] = []): Promise<CreateResult> {
    const { wal } = this.#ports;
    if (wal === undefined) return await this.#createSynced(key, bytes, named);
    return await this.#alone(key, () =>
      // If the log holds a removal of this name, a create that bypasses the log would be undone by recovery.
      bytes.length <= MAX_LOGGED_BYTES || wal.covers(key)
        ? this.#createAhead(wal, key, bytes, named)
        : this.#createSynced(key, bytes, named),
    );
  }

  /** See ObjectStore.createInOrder. With a write-ahead log only. */
  async createInOrder(objects: readonly NewObject[]): Promise<number> {
    const { wal } = this.#ports;
    if (wal === undefined) throw new Error('there is no write-ahead log');
    const logged = objects.filter(({ key, bytes }) => bytes.length <= MAX_LOGGED_BYTES || wal.covers(key));
    if (logged.length < objects.length) return await this.#oneByOne(objects);
    const aheadAlone = objects.reduceRight<() => Promise<number>>(
      (work, { key }) =>
        () =>
          this.#alone(key, work),
      () => this.#createAllAhead(wal, objects),
    );
    return await aheadAlone();
  }

  async #oneByOne(objects: readonly NewObject[]): Promise<number> {
    for (const [index, { key, bytes }] of objects.entries())
      if ((await this.create(key, bytes)) === 'taken') return index;
    return objects.length;
  }

  async #createAllAhead(wal: WriteAheadLog, objects: readonly NewObject[]): Promise<number> {
    const { reach, reserve } = this.#ports;
    const prepared: (NewObject & { readonly temporary: string })[] = [];
    let named = 0;
    let isLogged = false;
    const append = (): Promise<void> =>
      wal.appendAll(
        prepared.map(({ key, bytes }) => ({ kind: 'object', key, bytes })),
        async () => {
          isLogged = true;
          for (const { key, temporary } of prepared) {
            reach('create.before-link');
            await this.#give(temporary, this.#path(key));
            named++;
            reach('create.after-folder-sync');
          }
        },
      );
    try {
      for (const { key, bytes } of objects) {
        const temporary = await prepareAhead(key, bytes, this.#ports);
        if (temporary === undefined) break;
        prepared.push({ key, bytes, temporary: this.#path(temporary) });
      }
      if (prepared.length === 0) return 0;
      reach('create.before-sync');
      await this.#withReserve(append);
    } catch (error) {
      const left = prepared.slice(named);
      for (const { temporary } of left) await rm(temporary, { force: true });
      if (isLogged) await this.#takeBack(wal, ...left.map(({ key }) => key));
      throw error;
    }
    await reserve?.restore();
    return prepared.length;
  }

  /**
   * Runs creations of one key one after another. The record is logged before the object has its name, so the winner
   * must be known before that.
   */
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
    named: readonly WrittenObject[],
  ): Promise<CreateResult> {
    const temporary = await prepareAhead(key, bytes, this.#ports);
    if (temporary === undefined) return 'taken';
    const path = this.#path(temporary);
    try {
      return await createNaming(named, (records) => this.#publishAhead(wal, { key, bytes, records }, path));
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  /**
   * Creates an object that `prepareAhead` has prepared in another thread. With a write-ahead log only.
   * @param prepared the temporary file, which is gone afterwards
   */
  async publish(object: Publication, prepared: Key): Promise<CreateResult> {
    const { key } = object;
    const { wal } = this.#ports;
    if (wal === undefined) throw new Error('there is no write-ahead log');
    const temporary = this.#path(prepared);
    return await this.#alone(key, async () => {
      if (isNamed(this.#path(key))) {
        await rm(temporary, { force: true });
        return 'taken';
      }
      return await this.#publishAhead(wal, object, temporary);
    });
  }

  /** Logs an object that has no name yet, with those that it refers to, then gives it its name. */
  async #publishAhead(
    wal: WriteAheadLog,
    { key, bytes, records }: Publication,
    temporary: string,
  ): Promise<CreateResult> {
    const { reach, reserve } = this.#ports;
    let isLogged = false;
    const append = (): Promise<void> =>
      wal.appendAll([...records, { kind: 'object', key, bytes }], async () => {
        isLogged = true;
        reach('create.before-link');
        await this.#give(temporary, this.#path(key));
        reach('create.before-folder-sync');
        reach('create.after-folder-sync');
      });
    try {
      reach('create.before-sync');
      // The reserve is for the log of the repository, not for what clients upload.
      await (records.length === 0 ? this.#withReserve(append) : append());
    } catch (error) {
      await rm(temporary, { force: true });
      if (isLogged) await this.#takeBack(wal, key);
      throw error;
    }
    await reserve?.restore();
    return 'created';
  }

  /**
   * Gives a logged object its name. If that fails the process ends, and recovery does it at the next start.
   * @throws RegistryError `storage-full`: the caller must take the record back
   */
  async #give(temporary: string, path: string): Promise<void> {
    try {
      await renameInto(temporary, path);
    } catch (error) {
      if (isFull(error)) throw error;
      this.#ports.fatal(NO_NAME, error);
    }
  }

  /**
   * The folder had no space for another entry. The temporary file is gone by now, and its space is enough for the
   * record of the removal.
   */
  async #takeBack(wal: WriteAheadLog, ...keys: readonly Key[]): Promise<void> {
    try {
      await wal.appendAll(keys.map((key) => ({ kind: 'removed', key })));
    } catch (error) {
      this.#ports.fatal(NO_NAME, error);
    }
  }

  async #createSynced(key: Key, bytes: Uint8Array, named: readonly WrittenObject[]): Promise<CreateResult> {
    const path = this.#path(key);
    const temporary = await this.#withReserve(() => this.#prepareSlot(path, bytes));
    const { reach } = this.#ports;
    let removed: Promise<void> | undefined;
    try {
      await settleAll(named);
      reach('create.before-link');
      if ((await this.#withReserve(() => link(temporary, path))) === 'taken') return 'taken';
      removed = unlink(temporary);
      reach('create.before-folder-sync');
      await this.#ports.diskSync.folder(dirname(path));
      reach('create.after-folder-sync');
    } finally {
      await (removed ?? unlink(temporary));
    }
    await this.#ports.reserve?.restore();
    return 'created';
  }

  /** Writes and syncs the bytes under a temporary name. */
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

  #withReserve<T>(work: () => Promise<T>): Promise<T> {
    return withReserve(this.#ports.reserve, work);
  }

  #path(key: Key): string {
    return this.#ports.pathOf(key);
  }
}

/**
 * Writes an object that will be logged to a temporary file.
 * @returns the file, as a key; undefined if the name is taken
 */
export async function prepareAhead(
  key: Key,
  bytes: Uint8Array,
  { pathOf, uniqueName, reach, reserve }: Pick<CreationPorts, 'pathOf' | 'uniqueName' | 'reach' | 'reserve'>,
): Promise<Key | undefined> {
  const path = pathOf(key);
  if (isNamed(path)) return undefined;
  // An object that is in the log must get its name, or this process ends and no other one can start. So check first
  // that the name can be given.
  await withReserve(reserve, async () => requireWritableFolder(dirname(path)));
  reach('create.before-write');
  const temporary = `tmp/${uniqueName()}`;
  await withReserve(reserve, () => writeUnsynced(pathOf(temporary), bytes));
  return temporary;
}

/** For the log only: if the disk is full, frees the reserve (unless that was done before) and retries. */
async function withReserve<T>(reserve: LogReserve | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isFull(error)) throw error;
    await reserve?.free();
    return await work();
  }
}
