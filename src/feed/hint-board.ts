import type { RepositoryName } from '../oci/names.ts';
import type { Hints } from './notes/log.ts';

/** Where hints wait for a note, shared by all who write to a store. */
export interface HintBoard {
  /** Whether others put hints there, too. Those must be checked. */
  readonly isShared: boolean;
  /** Adds hints; of two for one repository the later slot stays. */
  put(hints: Hints): Promise<void>;
  /** Asks for a turn to write one note. */
  take(): Promise<Turn>;
  /** Removes hints that are noted, unless they have grown since. @param newest the newest note */
  remove(noted: Hints, newest: number): Promise<void>;
}

export type Turn =
  | { readonly kind: 'nothing' }
  /** Not now. @param after milliseconds */
  | { readonly kind: 'later'; readonly after: number }
  | { readonly kind: 'now'; readonly hints: Hints };

/** Over any longer time there is one note in this many milliseconds. */
export const NOTE_EVERY_MS = 1_000;
/** After a pause this many notes may follow one another at once, so that no part of a push waits for the next second. */
export const NOTES_AT_ONCE = 3;

/** The hints of a process that alone writes to the store. */
export class MemoryBoard implements HintBoard {
  readonly isShared = false;
  readonly #hints = new Map<RepositoryName, number>();
  readonly #now: () => number;
  /** When all notes so far are paid for. */
  #paid = Number.NEGATIVE_INFINITY;

  /** @param now milliseconds, of a monotonic clock */
  constructor(now: () => number) {
    this.#now = now;
  }

  async put(hints: Hints): Promise<void> {
    for (const [repo, seq] of hints) raise(this.#hints, repo, seq);
  }

  async take(): Promise<Turn> {
    if (this.#hints.size === 0) return { kind: 'nothing' };
    const now = this.#now();
    const after = this.#paid - now - (NOTES_AT_ONCE - 1) * NOTE_EVERY_MS;
    if (after > 0) return { kind: 'later', after };
    this.#paid = Math.max(this.#paid, now) + NOTE_EVERY_MS;
    return { kind: 'now', hints: new Map(this.#hints) };
  }

  async remove(noted: Hints): Promise<void> {
    for (const [repo, seq] of noted) if ((this.#hints.get(repo) ?? 0) <= seq) this.#hints.delete(repo);
  }
}

/** Sets a hint, unless there is one for a later slot. */
export function raise(hints: Map<RepositoryName, number>, repo: RepositoryName, seq: number): void {
  if (seq > (hints.get(repo) ?? 0)) hints.set(repo, seq);
}
