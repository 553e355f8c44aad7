import type { Key } from '../../src/storage/driver.ts';
import type { Scheduler } from './scheduler.ts';

/** Notified of every change of the store. */
export interface ObjectObserver {
  readonly made: (key: Key, bytes: Uint8Array) => void;
  readonly gone: (key: Key) => void;
}

/** The objects of the store, whichever driver the nodes use. */
export class Objects extends Map<Key, Uint8Array> {
  readonly #scheduler: Scheduler;
  /** The scheduler's step at which each object was written. */
  readonly #since = new Map<Key, number>();
  observer: ObjectObserver | undefined;

  constructor(scheduler: Scheduler) {
    super();
    this.#scheduler = scheduler;
  }

  override set(key: Key, bytes: Uint8Array): this {
    super.set(key, bytes);
    this.#since.set(key, this.#scheduler.step);
    this.observer?.made(key, bytes);
    return this;
  }

  override delete(key: Key): boolean {
    if (!this.has(key)) return false;
    this.observer?.gone(key);
    return super.delete(key);
  }

  /** The scheduler's step at which the current object was written. */
  madeAt(key: Key): number {
    return this.#since.get(key) ?? Number.POSITIVE_INFINITY;
  }

  below(prefix: Key): readonly Key[] {
    return [...this.keys()].filter((key) => key.startsWith(prefix)).sort();
  }
}
