interface Run<T> {
  readonly running: Promise<T>;
  /** The run that begins when this one has ended. */
  next: Promise<T> | undefined;
}

/**
 * Work that several callers want at the same time. Those who come while it runs share the next run, so each gets what was there when it
 * came, and of each kind one runs at a time, however many callers there are.
 */
export class SharedRuns<K, T> {
  readonly #runs = new Map<K, Run<T>>();

  /** Resolves and rejects as the run of `work` that begins now, or as soon as the one that runs has ended. */
  run(key: K, work: () => Promise<T>): Promise<T> {
    const current = this.#runs.get(key);
    if (current === undefined) return this.#begin(key, work);
    const begin = (): Promise<T> => this.#begin(key, work);
    current.next ??= current.running.then(begin, begin);
    return current.next;
  }

  #begin(key: K, work: () => Promise<T>): Promise<T> {
    const run: Run<T> = { running: work(), next: undefined };
    this.#runs.set(key, run);
    const end = (): void => {
      if (run.next === undefined) this.#runs.delete(key);
    };
    run.running.then(end, end);
    return run.running;
  }
}
