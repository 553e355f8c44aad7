import { RegistryError } from '../oci/errors.ts';
import type { WaitOptions } from './feed.ts';

/** Tells a thread that there may be new notes. */
export interface Doorbell {
  /** Calls `ring` soon after each new note that this thread does not know yet, perhaps also without one. @returns stops it */
  listen(ring: () => void): () => void;
}

/** The notes that a thread knows, as NotesReader has them. */
interface KnownNotes {
  readonly head: number;
  advance(): Promise<void>;
}

/** Readers that may wait at the same time in one thread; each takes about a kilobyte. */
const MAX_WAITERS = 10_000;

/** Readers that wait for the next note. The thread listens once for all of them, and only while there are any. */
export class Waiters {
  readonly #doorbell: Doorbell;
  readonly #notes: KnownNotes;
  readonly #failed: (error: unknown) => void;
  readonly #waiting = new Set<{ readonly note: number; readonly wake: () => void }>();
  #stop: (() => void) | undefined;
  #isLooking = false;
  #rangAgain = false;
  #isFailing = false;

  /** @param failed called once until the newest note could be looked for again; each ring tries */
  constructor(doorbell: Doorbell, notes: KnownNotes, failed: (error: unknown) => void) {
    this.#doorbell = doorbell;
    this.#notes = notes;
    this.#failed = failed;
  }

  get count(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves when this note exists, at the deadline, or when the signal is aborted.
   * @throws RegistryError `overloaded`
   */
  async wait(note: number, { until, signal }: WaitOptions): Promise<void> {
    const left = until - performance.now();
    if (signal.aborted || left <= 0 || note <= this.#notes.head) return;
    if (this.#waiting.size >= MAX_WAITERS)
      throw new RegistryError('overloaded', 'too many clients wait for changes: try again');
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    const waiter = { note, wake };
    // Timers may fire a fraction of a millisecond early.
    const timer = setTimeout(wake, Math.ceil(left) + 1);
    signal.addEventListener('abort', wake);
    this.#waiting.add(waiter);
    this.#stop ??= this.#doorbell.listen(this.#ring);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
      this.#waiting.delete(waiter);
      if (this.#waiting.size === 0) {
        this.#stop?.();
        this.#stop = undefined;
      }
    }
  }

  readonly #ring = (): void => {
    this.#rangAgain = true;
    if (!this.#isLooking) void this.#wake();
  };

  /** Wakes those whose note exists. Never rejects. */
  async #wake(): Promise<void> {
    this.#isLooking = true;
    while (this.#rangAgain) {
      this.#rangAgain = false;
      try {
        await this.#notes.advance();
        this.#isFailing = false;
        for (const { note, wake } of this.#waiting) if (note <= this.#notes.head) wake();
      } catch (error) {
        if (!this.#isFailing) this.#failed(error);
        this.#isFailing = true;
      }
    }
    this.#isLooking = false;
  }
}
