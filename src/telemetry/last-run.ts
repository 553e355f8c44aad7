import { Gauge, type Registry as Metrics } from 'prom-client';

/** The source of the last run of some background work. */
export interface LastRunObserver<Run> {
  /** The last run by any process of the store; undefined before the first. */
  readonly last: () => Promise<Run | undefined>;
  /** Called if it could not be read; the scrape then lacks these metrics. */
  readonly failed: (error: unknown) => void;
}

/** Gauges of the last run of some background work; all nodes of a cluster report the same. */
export class LastRunGauges<Run> {
  readonly #metrics: Metrics;
  readonly #observer: LastRunObserver<Run>;
  #reading: Promise<Run | undefined> | undefined;

  constructor(metrics: Metrics, observer: LastRunObserver<Run>) {
    this.#metrics = metrics;
    this.#observer = observer;
  }

  scalar(name: string, help: string, value: (last: Run) => number): void {
    this.labelled(name, help, [], (last) => [[{}, value(last)]]);
  }

  labelled(
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
        // A gauge without labels would report 0 after a reset.
        else if (labelNames.length === 0) this.remove();
      },
    });
  }

  /** All gauges of a scrape share one read of the store. */
  #lastOnce(): Promise<Run | undefined> {
    const { last, failed } = this.#observer;
    this.#reading ??= last()
      .catch((error: unknown) => {
        failed(error);
        return undefined;
      })
      .finally(() => {
        this.#reading = undefined;
      });
    return this.#reading;
  }
}
