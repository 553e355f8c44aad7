import type { Job as BullJob } from 'bullmq';

/** The shortest interval between writes to Redis. People read the progress, so it need not be exact. */
const MIN_INTERVAL_MS = 500;

export interface ProgressWriterPorts {
  /** Resolves early, without an error, when the signal is aborted. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/** Writes the progress of one attempt at a job to Redis. Of several reports only the latest is written. */
export class ProgressWriter {
  readonly #job: Pick<BullJob, 'updateProgress'>;
  readonly #ports: ProgressWriterPorts;
  readonly #end = new AbortController();
  #latest: object | undefined;
  #isWriting = false;

  constructor(job: Pick<BullJob, 'updateProgress'>, ports: ProgressWriterPorts) {
    this.#job = job;
    this.#ports = ports;
  }

  readonly report = (progress: object): void => {
    this.#latest = progress;
    if (!this.#isWriting) void this.#write();
  };

  /** The attempt ended: reports that are not written yet are dropped. */
  end(): void {
    this.#end.abort();
  }

  async #write(): Promise<void> {
    const { signal } = this.#end;
    this.#isWriting = true;
    while (this.#latest !== undefined && !signal.aborted) {
      const latest = this.#latest;
      this.#latest = undefined;
      try {
        await this.#job.updateProgress(latest);
      } catch (error) {
        // The job may be gone after its attempt ended.
        if (!signal.aborted) this.#ports.onError(error);
      }
      await this.#ports.sleep(MIN_INTERVAL_MS, signal);
    }
    this.#isWriting = false;
  }
}
