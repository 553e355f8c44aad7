/** Something that does its work again each time it is called; it stops early when the signal says so. */
export interface Task {
  readonly name: string;
  readonly run: (signal: AbortSignal) => Promise<void>;
}

export interface RunnerPorts {
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  readonly failed: (task: string, error: unknown) => void;
}

/**
 * Background work in the serving process: schedules, and work that nobody waits for. One of each name runs at a time; a
 * failure is reported and the next turn tries again.
 */
export class Runner {
  readonly #ports: RunnerPorts;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #queued = new Set<string>();

  constructor(ports: RunnerPorts) {
    this.#ports = ports;
  }

  /** @param every milliseconds from the end of one run to the next; the first one comes after that time too */
  schedule(task: Task, every: number): void {
    this.#track(this.#repeat(task, every));
  }

  /** Runs it soon, unless one of that name is waiting or running already. */
  enqueue(task: Task): void {
    if (this.#queued.has(task.name) || this.#stop.signal.aborted) return;
    this.#queued.add(task.name);
    this.#track(this.#once(task).finally(() => this.#queued.delete(task.name)));
  }

  /** Stops the schedules and waits for what is running. */
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
