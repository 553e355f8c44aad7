import type { RepositoryName } from '../../oci/names.ts';
import type { ObjectStore } from '../../storage/driver.ts';
import { pullsKey } from '../../storage/paths.ts';
import { HOUR, PullTimes } from './pull-times.ts';

/** Distinct names that a node records between two flushes. */
const MAX_NAMES = 50_000;

export interface PullRecorderPorts {
  readonly driver: Pick<ObjectStore, 'put'>;
  /** Milliseconds. */
  readonly now: () => number;
  readonly newId: () => string;
}

/** Records in memory what this node's clients pull. A process that is killed loses what it has not flushed. */
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

  /** Stores what was pulled since the last flush as a new object. If that fails, the next flush includes it. */
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
      await this.#ports.driver.put(pullsKey(this.#ports.newId()), await times.encode());
    } catch (error) {
      this.#times.merge(times);
      throw error;
    }
  }
}
