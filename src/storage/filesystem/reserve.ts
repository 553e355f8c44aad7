import { closeSync, fsyncSync, openSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isFull, isMissing } from './durability.ts';

/** Room for some thousand small slots. */
const RESERVE_BYTES = 4 * 1024 * 1024;
/** How long to wait after the disk was full before room is taken again. */
const RETAKE_AFTER_MS = 10_000;

/** A file that only takes room: it is given up when the disk is full, so that deletes can still be written to the log. */
export class Reserve {
  readonly #path: string;
  readonly #now: () => number;
  #held: boolean;
  #triedAt = 0;

  constructor(root: string, now: () => number) {
    this.#path = join(root, 'tmp', 'reserve');
    this.#now = now;
    this.#held = this.#take();
  }

  /** @returns true when there was something to give up, so that trying again makes sense. */
  giveUp(): boolean {
    if (!this.#held) return false;
    this.#held = false;
    this.#triedAt = this.#now();
    unlinkSync(this.#path);
    return true;
  }

  /** Takes the room back, once there is some again. Cheap to call often. */
  restore(): void {
    if (this.#held || this.#now() - this.#triedAt < RETAKE_AFTER_MS) return;
    this.#triedAt = this.#now();
    this.#held = this.#take();
  }

  #take(): boolean {
    if (sizeOf(this.#path) === RESERVE_BYTES) return true;
    try {
      const descriptor = openSync(this.#path, 'w');
      try {
        const block = new Uint8Array(1024 * 1024);
        for (let written = 0; written < RESERVE_BYTES; ) written += writeSync(descriptor, block);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      return true;
    } catch (error) {
      if (!isFull(error)) throw error;
      unlinkSync(this.#path);
      return false;
    }
  }
}

function sizeOf(path: string): number | undefined {
  try {
    return statSync(path).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
