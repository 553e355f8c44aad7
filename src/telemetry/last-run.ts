import { Gauge, type Registry as Metrics } from 'prom-client';

/** Where the last run of some background work is asked for. */
export interface LastRunObserver<Run> {
  /** The last run of any process of the store; undefined while there was none. */
  readonly last: () => Promise<Run | undefined>;
  /** It could not be read: this scrape goes without these metrics. */
  readonly failed: (error: unknown) => void;
}

/** Gauges that show the last run of some background work: every node of a cluster shows the same one. */
export class LastRunGauges<Run> {
  readonly #metrics: Metrics;
  readonly #observer: LastRunObserver<Run>;
  #asking: Promise<Run | undefined> | undefined;

  constructor(metrics: Metrics, observer: LastRunObserver<Run>) {
    this.#metrics = metrics;
    this.#observer = observer;
  }

  one(name: string, help: string, value: (last: Run) => number): void {
    this.some(name, help, [], (last) => [[{}, value(last)]]);
  }

  some(
    name: string,
    help: string,
    labelNames: readonly string[],
    values: (last: Run) => readonly (readonly [Record<string, string>, number])[],
  ): void {
    const last = (): Promise<Run | undefined> => this.#lastOnce();
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.#metrics],
      async collect() {
        this.reset();
        const found = await last();
        if (found !== undefined) for (const [labels, value] of values(found)) this.set(labels, value);
        // Without labels a gauge that was reset would say 0.
        else if (labelNames.length === 0) this.remove();
      },
    });
  }

  /** All gauges of a scrape ask, the store answers once. */
  #lastOnce(): Promise<Run | undefined> {
    const { last, failed } = this.#observer;
    this.#asking ??= last()
      .catch((error: unknown) => {
        failed(error);
        return undefined;
      })
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }
}
