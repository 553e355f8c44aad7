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
  /** Absolute path of the folder of its files, which is there and empty. */
  readonly folder: string;
  readonly diskSync: DiskSync;
  readonly fileSystem: FileSystem;
  readonly fatal: Fatal;
}

/** Objects of up to so many bytes are told of: with more of them each byte would be written twice for little. */
export const AHEAD_BYTES = 64 * 1024;
/** A file of so many bytes is given up: what it tells of is written to the disk for good, and it goes. */
const TURN_BYTES = 16 * 1024 * 1024;
/** No record stays for longer than about this, in milliseconds, also where few come. */
const TURN_AFTER_MS = 5_000;
const LOOK_AGAIN_MS = 10;
/** With a file of so many bytes, records wait for the one before it to go: the disk does not keep up. */
const MOST_BYTES = 4 * TURN_BYTES;
/** Bytes that are written and synced together. */
const GROUP_BYTES = 4 * 1024 * 1024;

interface WalFile {
  readonly path: string;
  readonly descriptor: number;
  /** Whether they are durable here: not before it is synced, and not where it tells last of their removal. */
  readonly keys: Map<Key, boolean>;
  /** Objects that it tells of, and that are about to be given their names. */
  readonly placing: Set<Promise<void>>;
  /** All bytes below are whole records. */
  end: number;
}

interface Waiting {
  readonly key: Key;
  readonly kind: WalRecord['kind'];
  readonly bytes: Uint8Array;
  readonly place: () => Promise<void>;
  resolve(placed: Promise<void>): void;
  reject(error: unknown): void;
}

/**
 * The write-ahead log of a data folder: small objects are durable as soon as they are told of here, many with one sync, and their own
 * files reach the disk later, all together. After a power cut the next process makes them again (recovery.ts). Only for a process
 * that has the folder alone.
 */
export class WriteAheadLog {
  readonly #options: WalOptions;
  /** Of the folder, held open: a process that has no descriptor left must not end because of that. */
  readonly #folder: number;
  #number = 0;
  #current: WalFile | undefined;
  #older: WalFile | undefined;
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
   * Tells of an object, or of its removal.
   * @param place gives the object its name, once it is durable here: before that is done its record does not go
   * @returns when both are done
   * @throws RegistryError `storage-full` and, after `close`, `unavailable`: then nothing was told
   */
  append(record: WalRecord, place: () => Promise<void> = async () => {}): Promise<void> {
    // Another process may have the folder by now.
    if (this.#isClosed) return Promise.reject(new RegistryError('unavailable', 'the registry is shutting down'));
    return new Promise<void>((resolve, reject) => {
      this.#waiting.push({ key: record.key, kind: record.kind, bytes: encodeRecord(record), place, resolve, reject });
      this.#start();
    });
  }

  /** Whether an object would come back after a power cut as it was told of here. */
  covers(key: Key): boolean {
    return this.#current?.keys.has(key) === true || this.#older?.keys.has(key) === true;
  }

  /** Whether an object that is there survives a power cut because of what was told of it here. */
  holds(key: Key): boolean {
    return (this.#current?.keys.get(key) ?? this.#older?.keys.get(key)) === true;
  }

  coveredBelow(prefix: Key): Key[] {
    const files = [this.#current, this.#older];
    return files.flatMap((file) => [...(file?.keys.keys() ?? [])].filter((key) => key.startsWith(prefix)));
  }

  /** Everything reaches its place on the disk, and no file is left. What comes while that is done is done, too. */
  async close(): Promise<void> {
    while (this.#isRunning || this.#current !== undefined || this.#older !== undefined) {
      await this.#running;
      // A file that is written to cannot go.
      if (this.#isRunning) continue;
      if (this.#current !== undefined && this.#older === undefined) this.#giveUp(this.#current);
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

  /** Never rejects: each record's sender is told. */
  async #run(): Promise<void> {
    // Those that come in the same turn of the event loop go together.
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
    // In the same step as the last look: whoever comes after it starts another run.
    this.#isRunning = false;
  }

  #nextGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      bytes += waiting.bytes.length;
      if (count > 0 && bytes > GROUP_BYTES) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #fileForMore(): Promise<WalFile> {
    const file = this.#current;
    if (file !== undefined && file.end >= MOST_BYTES) await this.#checkpoint;
    if (file !== undefined && file.end >= TURN_BYTES && this.#older === undefined) this.#giveUp(file);
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
    this.#lookIn(TURN_AFTER_MS);
    return { path, descriptor, keys: new Map(), placing: new Set(), end: 0 };
  }

  #lookIn(milliseconds: number): void {
    this.#timer = setTimeout(() => this.#whenDue(), milliseconds);
    this.#timer.unref();
  }

  #whenDue(): void {
    const file = this.#current;
    if (file === undefined) return;
    if (!this.#isRunning && this.#older === undefined) this.#giveUp(file);
    // A group that is under way belongs to this file: the next look is soon.
    else this.#lookIn(LOOK_AGAIN_MS);
  }

  async #write(file: WalFile, group: readonly Waiting[]): Promise<void> {
    for (const { key } of group) file.keys.set(key, false);
    const bytes = Buffer.concat(group.map((waiting) => waiting.bytes));
    try {
      await writeAll(file.descriptor, bytes, file.end);
      await this.#options.diskSync.file(file.descriptor, 'data');
    } catch (error) {
      if (!isFull(error)) this.#options.fatal('the write-ahead log could not be written', error);
      // Whole records that nobody was told of would come back.
      ftruncateSync(file.descriptor, file.end);
      throw storageFull(error);
    }
    file.end += bytes.length;
    for (const { key, kind } of group) file.keys.set(key, kind === 'object');
  }

  #place(file: WalFile, { place, resolve }: Waiting): void {
    const placed = place();
    resolve(placed);
    const settled = placed.then(
      () => {},
      // Told to the sender, who answers for the name.
      () => {},
    );
    file.placing.add(settled);
    void settled.then(() => file.placing.delete(settled));
  }

  /** No more is written to it; it goes when all that it tells of is on the disk in its own place. */
  #giveUp(file: WalFile): void {
    clearTimeout(this.#timer);
    this.#older = file;
    this.#current = undefined;
    this.#checkpoint = this.#finish(file).catch((error: unknown) =>
      this.#options.fatal('what the write-ahead log tells of could not be synced to disk', error),
    );
  }

  async #finish({ path, descriptor, placing }: WalFile): Promise<void> {
    const { fileSystem, diskSync } = this.#options;
    await Promise.all(placing);
    await fileSystem.sync();
    closeSync(descriptor);
    unlinkSync(path);
    // Before the next one goes: it may tell that an object of this one was removed.
    await diskSync.file(this.#folder);
    this.#older = undefined;
  }
}

/** Their order is that of their names. */
export function walFileName(number: number): string {
  return String(number).padStart(16, '0');
}
