import type { RepositoryName } from '../../oci/names.ts';
import type { ObjectStore } from '../../storage/driver.ts';
import { pullsKey } from '../../storage/paths.ts';
import { HOUR, PullTimes } from './pull-times.ts';

/** Names that a node tells apart between two flushes. */
const MOST_NAMES = 50_000;

export interface PullRecorderPorts {
  readonly driver: Pick<ObjectStore, 'put'>;
  /** Milliseconds. */
  readonly now: () => number;
  readonly newId: () => string;
}

/** What this node's clients pulled, in memory until the next flush: what a killed process had not flushed yet is lost. */
export class PullRecorder {
  readonly #ports: PullRecorderPorts;
  #times = new PullTimes(MOST_NAMES);
  #flushing: Promise<void> = Promise.resolve();

  constructor(ports: PullRecorderPorts) {
    this.#ports = ports;
  }

  /** @param name a tag, or the digest of a manifest */
  pulled(repo: RepositoryName, name: string): void {
    this.#times.note(repo, name, Math.floor(this.#ports.now() / HOUR));
  }

  /** Puts what was pulled since the last time into the store, as an object of its own. Where that fails it is kept for the next time. */
  flush(): Promise<void> {
    const flush = (): Promise<void> => this.#flush();
    const flushed = this.#flushing.then(flush, flush);
    this.#flushing = flushed;
    return flushed;
  }

  async #flush(): Promise<void> {
    const times = this.#times;
    if (times.isEmpty) return;
    this.#times = new PullTimes(MOST_NAMES);
    try {
      await this.#ports.driver.put(pullsKey(this.#ports.newId()), await times.encode());
    } catch (error) {
      this.#times.merge(times);
      throw error;
    }
  }
}
