import { closeSync, ftruncateSync, openSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { RegistryError } from '../../../oci/errors.ts';
import { PRIVATE_FILE } from '../../../system/private-files.ts';
import type { Key } from '../../driver.ts';
import type { DiskSync, Fatal } from '../disk-sync.ts';
import { writeAll } from '../files.ts';
import { isFull, storageFull } from '../system-errors.ts';
import type { FileSystem } from './file-system.ts';
import { encodeRecord, type WalRecord } from './record.ts';

export interface WalOptions {
  /** Absolute path of the folder for its files, which exists and is empty. */
  readonly folder: string;
  readonly diskSync: DiskSync;
  readonly fileSystem: FileSystem;
  readonly fatal: Fatal;
}

/** Objects up to this size are logged: bigger ones would be written twice for little gain. */
export const MAX_LOGGED_BYTES = 64 * 1024;
/** At this size a file is retired: its objects are synced to their own files, and it is removed. */
const ROTATE_BYTES = 16 * 1024 * 1024;
/** A file is retired after this time even if few records come. */
const ROTATE_AFTER_MS = 5_000;
const RECHECK_MS = 10;
/** At this size records wait until the previous file is gone: the disk does not keep up. */
const MAX_FILE_BYTES = 4 * ROTATE_BYTES;
/** Maximum bytes of one group of records, which are written and synced together. */
const MAX_GROUP_BYTES = 4 * 1024 * 1024;

interface WalFile {
  readonly path: string;
  readonly descriptor: number;
  /** Whether the object is durable here: not before its record is synced, nor if the last record is of its removal. */
  readonly keys: Map<Key, boolean>;
  /** Objects in it that are about to get their names. */
  readonly placing: Set<Promise<void>>;
  /** All bytes before this position are complete records. */
  end: number;
}

interface Waiting {
  readonly records: readonly WalRecord[];
  readonly encoded: readonly Uint8Array[];
  /** Bytes of all of them. */
  readonly size: number;
  readonly place: () => Promise<void>;
  resolve(placed: Promise<void>): void;
  reject(error: unknown): void;
}

/**
 * The write-ahead log of a data folder. Small objects are durable as soon as their records are synced here, many with
 * one sync; their own files are synced later, all together. After a power cut the next process restores them
 * (recovery.ts). Only for a process that has the folder alone.
 */
export class WriteAheadLog {
  readonly #options: WalOptions;
  /** Of the folder. It is kept open, because a process without free descriptors must not end for lack of one. */
  readonly #folder: number;
  #number = 0;
  #current: WalFile | undefined;
  #retiring: WalFile | undefined;
  #checkpoint: Promise<void> = Promise.resolve();
  #waiting: Waiting[] = [];
  #running: Promise<void> = Promise.resolve();
  #isRunning = false;
  #isClosed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: WalOptions) {
    this.#options = options;
    this.#folder = openSync(options.folder, 'r');
    options.fileSystem.prepare();
  }

  /**
   * Logs an object or its removal.
   * @param place gives the object its name once its record is durable; the record is kept until that is done
   * @returns when both are done
   * @throws RegistryError `storage-full` and, after `close`, `unavailable`: then nothing was logged
   */
  append(record: WalRecord, place?: () => Promise<void>): Promise<void> {
    return this.appendAll([record], place);
  }

  /**
   * Like `append`, for several records: all of them are logged, or none. After a power cut none is recovered without those before it.
   */
  appendAll(records: readonly WalRecord[], place: () => Promise<void> = async () => {}): Promise<void> {
    // Another process may have the folder by now.
    if (this.#isClosed) return Promise.reject(new RegistryError('unavailable', 'the registry is shutting down'));
    return new Promise<void>((resolve, reject) => {
      const encoded = records.map(encodeRecord);
      const size = encoded.reduce((sum, { length }) => sum + length, 0);
      this.#waiting.push({ records, encoded, size, place, resolve, reject });
      this.#start();
    });
  }

  /** Whether recovery would restore the object from a record here. */
  covers(key: Key): boolean {
    return this.#current?.keys.has(key) === true || this.#retiring?.keys.has(key) === true;
  }

  /** Whether the object survives a power cut thanks to a record here. */
  holds(key: Key): boolean {
    return (this.#current?.keys.get(key) ?? this.#retiring?.keys.get(key)) === true;
  }

  coveredBelow(prefix: Key): Key[] {
    const files = [this.#current, this.#retiring];
    return files.flatMap((file) => [...(file?.keys.keys() ?? [])].filter((key) => key.startsWith(prefix)));
  }

  /** Syncs everything to its own files and removes those of the log. Records that arrive meanwhile are included. */
  async close(): Promise<void> {
    while (this.#isRunning || this.#current !== undefined || this.#retiring !== undefined) {
      await this.#running;
      // A file that is being written to cannot be retired.
      if (this.#isRunning) continue;
      if (this.#current !== undefined && this.#retiring === undefined) this.#retire(this.#current);
      await this.#checkpoint;
    }
    this.#isClosed = true;
    closeSync(this.#folder);
    this.#options.fileSystem.close();
  }

  #start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#running = this.#run();
  }

  /** Never rejects: each caller of append gets its own error. */
  async #run(): Promise<void> {
    // Records that arrive in the same turn of the event loop form one group.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup();
      try {
        const file = await this.#fileForMore();
        await this.#write(file, group);
        for (const waiting of group) this.#place(file, waiting);
      } catch (error) {
        for (const waiting of group) waiting.reject(error);
      }
    }
    // Synchronously after the last check: a later caller starts another run.
    this.#isRunning = false;
  }

  #nextGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      bytes += waiting.size;
      if (count > 0 && bytes > MAX_GROUP_BYTES) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #fileForMore(): Promise<WalFile> {
    const file = this.#current;
    if (file !== undefined && file.end >= MAX_FILE_BYTES) await this.#checkpoint;
    if (file !== undefined && file.end >= ROTATE_BYTES && this.#retiring === undefined) this.#retire(file);
    this.#current ??= await this.#open();
    return this.#current;
  }

  async #open(): Promise<WalFile> {
    const { folder, diskSync } = this.#options;
    const path = join(folder, walFileName(++this.#number));
    let descriptor: number;
    try {
      descriptor = openSync(path, 'wx', PRIVATE_FILE);
    } catch (error) {
      throw isFull(error) ? storageFull(error) : error;
    }
    try {
      await diskSync.file(this.#folder);
    } catch (error) {
      closeSync(descriptor);
      unlinkSync(path);
      throw error;
    }
    this.#scheduleCheck(ROTATE_AFTER_MS);
    return { path, descriptor, keys: new Map(), placing: new Set(), end: 0 };
  }

  #scheduleCheck(milliseconds: number): void {
    this.#timer = setTimeout(() => this.#rotateIfDue(), milliseconds);
    this.#timer.unref();
  }

  #rotateIfDue(): void {
    const file = this.#current;
    if (file === undefined) return;
    if (!this.#isRunning && this.#retiring === undefined) this.#retire(file);
    // A group in flight belongs to this file: check again soon.
    else this.#scheduleCheck(RECHECK_MS);
  }

  async #write(file: WalFile, group: readonly Waiting[]): Promise<void> {
    const records = group.flatMap((waiting) => waiting.records);
    for (const { key } of records) file.keys.set(key, false);
    const bytes = Buffer.concat(group.flatMap(({ encoded }) => encoded));
    try {
      await writeAll(file.descriptor, bytes, file.end);
      await this.#options.diskSync.file(file.descriptor, 'data');
    } catch (error) {
      if (!isFull(error)) this.#options.fatal('the write-ahead log could not be written', error);
      // Complete records that were never acknowledged would be recovered.
      ftruncateSync(file.descriptor, file.end);
      throw storageFull(error);
    }
    file.end += bytes.length;
    for (const { key, kind } of records) file.keys.set(key, kind === 'object');
  }

  #place(file: WalFile, { place, resolve }: Waiting): void {
    const placed = place();
    resolve(placed);
    const settled = placed.then(
      () => {},
      // The caller of append handles it.
      () => {},
    );
    file.placing.add(settled);
    void settled.then(() => file.placing.delete(settled));
  }

  /** Retires a file: it gets no more records, and is removed when all its objects are synced to their own files. */
  #retire(file: WalFile): void {
    clearTimeout(this.#timer);
    this.#retiring = file;
    this.#current = undefined;
    this.#checkpoint = this.#finish(file).catch((error: unknown) =>
      this.#options.fatal('what the write-ahead log records could not be synced to disk', error),
    );
  }

  async #finish({ path, descriptor, placing }: WalFile): Promise<void> {
    const { fileSystem, diskSync } = this.#options;
    await Promise.all(placing);
    await fileSystem.sync();
    closeSync(descriptor);
    unlinkSync(path);
    // Before the next file is removed: that one may hold the removal of an object of this one.
    await diskSync.file(this.#folder);
    this.#retiring = undefined;
  }
}

/** File names sort in the order of their numbers. */
export function walFileName(number: number): string {
  return String(number).padStart(16, '0');
}
