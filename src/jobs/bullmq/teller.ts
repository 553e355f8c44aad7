import type { Job as BullJob } from 'bullmq';

/** So long nothing more is told after something was: it is for people, and each time it is written. */
const QUIET_MS = 500;

export interface TellerPorts {
  /** Returns early, without an error, when the signal says so. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  readonly troubled: (error: unknown) => void;
}

/** Keeps in Redis how far one attempt at a job is: what was told last, however often that is. */
export class Teller {
  readonly #job: Pick<BullJob, 'updateProgress'>;
  readonly #ports: TellerPorts;
  readonly #end = new AbortController();
  #latest: object | undefined;
  #isBusy = false;

  constructor(job: Pick<BullJob, 'updateProgress'>, ports: TellerPorts) {
    this.#job = job;
    this.#ports = ports;
  }

  readonly tell = (progress: object): void => {
    this.#latest = progress;
    if (!this.#isBusy) void this.#write();
  };

  /** The attempt ended: what was not written yet nobody wants to know any more. */
  end(): void {
    this.#end.abort();
  }

  async #write(): Promise<void> {
    const { signal } = this.#end;
    this.#isBusy = true;
    while (this.#latest !== undefined && !signal.aborted) {
      const latest = this.#latest;
      this.#latest = undefined;
      try {
        await this.#job.updateProgress(latest);
      } catch (error) {
        // Of a job that has gone there is nothing to tell.
        if (!signal.aborted) this.#ports.troubled(error);
      }
      await this.#ports.sleep(QUIET_MS, signal);
    }
    this.#isBusy = false;
  }
}
