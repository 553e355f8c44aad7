import { Gauge, type Registry as Metrics } from 'prom-client';

interface Amount {
  readonly objects: number;
  readonly bytes: number;
}

/** What a collection of garbage did. */
export interface Collected {
  /** Milliseconds. */
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly examined: Amount;
  readonly kept: Amount;
  readonly condemned: number;
  readonly spared: number;
  readonly freed: Amount;
  readonly waiting: Amount;
  readonly unlinked: number;
  readonly oldestGarbageSeconds: number;
  readonly failures: number;
  readonly failed?: string | undefined;
}

export interface CollectionObserver {
  /** The last run of any process of the store; undefined while there was none. */
  readonly last: () => Promise<Collected | undefined>;
  /** It could not be read: this scrape goes without these metrics. */
  readonly failed: (error: unknown) => void;
}

/** The last collection under /metrics: every node of a cluster shows the same one. */
export class CollectionMetrics {
  readonly #metrics: Metrics;
  #asking: Promise<Collected | undefined> | undefined;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** From now on a scrape asks for the last run. */
  observe(observer: CollectionObserver): void {
    const gauge = (name: string, help: string, value: (last: Collected) => number): void =>
      this.#gauge(observer, name, help, [], (last) => [[{}, value(last)]]);
    this.#gauge(
      observer,
      'marina_collection_objects',
      'Objects of the last collection, by what became of them.',
      ['state'],
      (last) => [
        [{ state: 'examined' }, last.examined.objects],
        [{ state: 'kept' }, last.kept.objects],
        [{ state: 'condemned' }, last.condemned],
        [{ state: 'spared' }, last.spared],
        [{ state: 'freed' }, last.freed.objects],
        [{ state: 'waiting' }, last.waiting.objects],
      ],
    );
    this.#gauge(observer, 'marina_collection_bytes', 'Bytes of those objects.', ['state'], (last) => [
      [{ state: 'examined' }, last.examined.bytes],
      [{ state: 'kept' }, last.kept.bytes],
      [{ state: 'freed' }, last.freed.bytes],
      [{ state: 'waiting' }, last.waiting.bytes],
    ]);
    gauge(
      'marina_collection_unlinked_blobs',
      'Blobs that the last collection unlinked, as nothing refers to them.',
      (last) => last.unlinked,
    );
    gauge(
      'marina_collection_seconds',
      'How long the last collection took.',
      (last) => (last.finishedAt - last.startedAt) / 1000,
    );
    gauge(
      'marina_collection_finished_timestamp_seconds',
      'When the last collection ended.',
      (last) => last.finishedAt / 1000,
    );
    gauge(
      'marina_collection_failures',
      'Deletes that failed in the last collection, and 1 more when it did not get to its end.',
      (last) => last.failures + (last.failed === undefined ? 0 : 1),
    );
    gauge(
      'marina_collection_oldest_garbage_seconds',
      'For how long the oldest garbage that is left could have been deleted: when this grows, collection is behind.',
      (last) => last.oldestGarbageSeconds,
    );
  }

  #gauge(
    observer: CollectionObserver,
    name: string,
    help: string,
    labelNames: readonly string[],
    values: (last: Collected) => readonly (readonly [Record<string, string>, number])[],
  ): void {
    const last = (): Promise<Collected | undefined> => this.#lastOnce(observer);
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
  #lastOnce({ last, failed }: CollectionObserver): Promise<Collected | undefined> {
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
