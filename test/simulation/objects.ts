import type { Key } from '../../src/storage/driver.ts';
import type { Scheduler } from './scheduler.ts';

/** Hears of every change of the store, at the moment at which it happens. */
export interface Onlooker {
  readonly made: (key: Key, bytes: Uint8Array) => void;
  readonly gone: (key: Key) => void;
}

/** What lies in the store, whichever driver the nodes use. */
export class Objects extends Map<Key, Uint8Array> {
  readonly #scheduler: Scheduler;
  /** Since which of the scheduler's steps each object has been there that is there only once. */
  readonly #since = new Map<Key, number>();
  onlooker: Onlooker | undefined;

  constructor(scheduler: Scheduler) {
    super();
    this.#scheduler = scheduler;
  }

  override set(key: Key, bytes: Uint8Array): this {
    super.set(key, bytes);
    this.#since.set(key, this.#scheduler.step);
    this.onlooker?.made(key, bytes);
    return this;
  }

  override delete(key: Key): boolean {
    if (!this.has(key)) return false;
    this.onlooker?.gone(key);
    return super.delete(key);
  }

  /** The scheduler's step at which the object was made that is there now. */
  madeAt(key: Key): number {
    return this.#since.get(key) ?? Number.POSITIVE_INFINITY;
  }

  below(prefix: Key): readonly Key[] {
    return [...this.keys()].filter((key) => key.startsWith(prefix)).sort();
  }
}
