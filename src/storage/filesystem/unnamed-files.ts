import { rmSync, unlinkSync } from 'node:fs';
import type { Key } from '../driver.ts';

/** How much gets names together. A process that is killed loses at most twice as much. */
const MAX_FILES = 16_384;
const MAX_BYTES = 256 * 1024 * 1024;

/** A file that is written, but not under its name. */
interface Unnamed {
  readonly temporary: string;
  readonly size: number;
}

export interface UnnamedFilesPorts {
  /** Makes all bytes durable that were written so far. @throws Error if some could not be written */
  readonly sync: () => Promise<void>;
  /** Gives a file the name of its key. */
  readonly name: (temporary: string, key: Key) => void;
}

/**
 * Files that get their names once their bytes are durable: so after a power cut a file that has its name is whole. One sync serves many
 * files, and the next ones are written meanwhile.
 */
export class UnnamedFiles {
  readonly #ports: UnnamedFilesPorts;
  #waiting = new Map<Key, Unnamed>();
  #waitingBytes = 0;
  /** Those for which a sync has begun. */
  #syncing = new Map<Key, Unnamed>();
  /** Ends with the sync that runs. It never rejects. */
  #running: Promise<void> | undefined;
  /** The kernel reports only once that it could not write bytes. So after a failure nothing gets a name any more. */
  #failure: { readonly cause: unknown } | undefined;

  constructor(ports: UnnamedFilesPorts) {
    this.#ports = ports;
  }

  /** Replaces an earlier file of the same key. Waits while many files have no name yet. @throws the failure of a sync */
  async add(key: Key, file: Unnamed): Promise<void> {
    this.#throwFailure();
    this.remove(key);
    this.#waiting.set(key, file);
    this.#waitingBytes += file.size;
    while (this.#waiting.size >= MAX_FILES || this.#waitingBytes >= MAX_BYTES) {
      if (this.#running === undefined) this.#begin();
      else await this.#running;
      this.#throwFailure();
    }
  }

  sizeOf(key: Key): number | undefined {
    return (this.#waiting.get(key) ?? this.#syncing.get(key))?.size;
  }

  /** Drops a file whose sync has not begun. */
  remove(key: Key): void {
    const file = this.#waiting.get(key);
    if (file === undefined) return;
    this.#waiting.delete(key);
    this.#waitingBytes -= file.size;
    unlinkSync(file.temporary);
  }

  /** Ends when all files have their names. The names may not be durable. @throws the failure of a sync */
  async nameAll(): Promise<void> {
    this.#throwFailure();
    while (this.#running !== undefined || this.#waiting.size > 0) {
      if (this.#running === undefined) this.#begin();
      await this.#running;
      this.#throwFailure();
    }
  }

  /** Ends when all files have their names, and the names are durable. @throws the failure of a sync */
  async settle(): Promise<void> {
    do await this.nameAll();
    while (this.#running !== undefined);
    this.#run(() => this.#ports.sync());
    await this.#running;
    this.#throwFailure();
  }

  /** Removes the files that have no name. To be called when no sync runs. */
  discard(): void {
    for (const files of [this.#syncing, this.#waiting]) {
      for (const { temporary } of files.values()) rmSync(temporary, { force: true });
      files.clear();
    }
    this.#waitingBytes = 0;
  }

  #begin(): void {
    [this.#syncing, this.#waiting] = [this.#waiting, new Map()];
    this.#waitingBytes = 0;
    this.#run(async () => {
      await this.#ports.sync();
      for (const [key, { temporary }] of this.#syncing) {
        this.#ports.name(temporary, key);
        this.#syncing.delete(key);
      }
    });
  }

  #run(work: () => Promise<void>): void {
    this.#running = Promise.resolve()
      .then(work)
      .catch((cause: unknown) => {
        this.#failure = { cause };
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.cause;
  }
}
