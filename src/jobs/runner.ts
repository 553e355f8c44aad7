/** Work that can be repeated; it stops early when the signal is aborted. */
export interface Task {
  readonly name: string;
  readonly run: (signal: AbortSignal) => Promise<void>;
}

export interface RunnerPorts {
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  readonly failed: (task: string, error: unknown) => void;
}

/**
 * Background work in the serving process: scheduled tasks, and work that no request waits for. One task of each name runs at a time.
 * A failure is reported, and the next run retries.
 */
export class Runner {
  readonly #ports: RunnerPorts;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #queued = new Set<string>();

  constructor(ports: RunnerPorts) {
    this.#ports = ports;
  }

  /** @param every milliseconds between runs, and before the first one */
  schedule(task: Task, every: number): void {
    this.#track(this.#repeat(task, every));
  }

  /** Runs the task soon, unless one of that name is waiting or running. */
  enqueue(task: Task): void {
    if (this.#queued.has(task.name) || this.#stop.signal.aborted) return;
    this.#queued.add(task.name);
    this.#track(this.#once(task).finally(() => this.#queued.delete(task.name)));
  }

  /** Stops the schedules and waits for running tasks. */
  async stop(): Promise<void> {
    this.#stop.abort();
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #track(work: Promise<void>): void {
    this.#running.add(work);
    void work.finally(() => this.#running.delete(work));
  }

  async #repeat(task: Task, every: number): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#ports.sleep(every, this.#stop.signal);
      if (!this.#stop.signal.aborted) await this.#once(task);
    }
  }

  async #once(task: Task): Promise<void> {
    try {
      await task.run(this.#stop.signal);
    } catch (error) {
      this.#ports.failed(task.name, error);
    }
  }
}
