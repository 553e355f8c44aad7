import type { RepositoryName } from '../oci/names.ts';
import { raise } from './hint-board.ts';
import type { Hints } from './notes/log.ts';

/** Hints travel together, this many milliseconds after the first. */
const GATHER_MS = 10;

/** The hints of a thread that does not write notes, for the one that does. */
export class GatheredHints {
  readonly #send: (hints: Hints) => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #hints = new Map<RepositoryName, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param failed called if hints could not be sent. A sweep finds what they said */
  constructor(send: (hints: Hints) => Promise<void>, failed: (error: unknown) => void) {
    this.#send = send;
    this.#failed = failed;
  }

  /** A repository's log has this slot, and every view shows it. */
  hint(repo: RepositoryName, seq: number): void {
    raise(this.#hints, repo, seq);
    this.#timer ??= setTimeout(() => void this.flush(), GATHER_MS);
  }

  /** Sends what there is now. Never rejects. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const hints = this.#hints;
    this.#hints = new Map();
    if (hints.size === 0) return;
    try {
      await this.#send(hints);
    } catch (error) {
      this.#failed(error);
    }
  }
}
