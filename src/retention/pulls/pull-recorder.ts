import type { RepositoryName } from '../../oci/names.ts';
import { HOUR, PullTimes } from './pull-times.ts';

/** Distinct names that a recorder holds between two flushes. */
const MAX_NAMES = 50_000;

export interface PullRecorderPorts {
  /** Stores encoded times; other recorders' stay. */
  readonly store: (times: Uint8Array) => Promise<void>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Records in memory what clients pull. A process that is killed loses what it has not flushed. */
export class PullRecorder {
  readonly #ports: PullRecorderPorts;
  #times = new PullTimes(MAX_NAMES);
  #flushing: Promise<void> = Promise.resolve();

  constructor(ports: PullRecorderPorts) {
    this.#ports = ports;
  }

  /** @param name a tag, or the digest of a manifest */
  pulled(repo: RepositoryName, name: string): void {
    this.#times.note(repo, name, Math.floor(this.#ports.now() / HOUR));
  }

  /** Adds what another recorder has stored here. @throws Error if it cannot be decoded */
  async add(times: Uint8Array): Promise<void> {
    const decoded = await PullTimes.decode(times, MAX_NAMES);
    this.#times.merge(decoded);
  }

  /** Stores what was pulled since the last flush. If that fails, the next flush includes it. */
  flush(): Promise<void> {
    const flush = (): Promise<void> => this.#flush();
    const flushed = this.#flushing.then(flush, flush);
    this.#flushing = flushed;
    return flushed;
  }

  async #flush(): Promise<void> {
    const times = this.#times;
    if (times.isEmpty) return;
    this.#times = new PullTimes(MAX_NAMES);
    try {
      await this.#ports.store(await times.encode());
    } catch (error) {
      this.#times.merge(times);
      throw error;
    }
  }
}
