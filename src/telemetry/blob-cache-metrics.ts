import { Counter, Gauge, type Registry as Metrics } from 'prom-client';

/** How a node's own copies of large blobs fare; nothing is shown where it keeps none. */
export class BlobCacheMetrics {
  readonly #metrics: Metrics;
  #requests: Counter<'outcome'> | undefined;
  #fills: Counter<'outcome'> | undefined;
  #evictions: Counter | undefined;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** From now on it is shown. @param bytes of all files, asked at each scrape */
  observe(bytes: () => number): void {
    const registers = [this.#metrics];
    this.#requests = new Counter({
      name: 'marina_blob_cache_requests_total',
      help: 'GETs of blobs that may be in the cache on disk: hit (sent from there) or miss.',
      labelNames: ['outcome'],
      registers,
    });
    for (const outcome of ['hit', 'miss']) this.#requests.inc({ outcome }, 0);
    this.#fills = new Counter({
      name: 'marina_blob_cache_fills_total',
      help: 'Blobs that were fetched for the cache on disk: kept, refused (no room) or failed.',
      labelNames: ['outcome'],
      registers,
    });
    for (const outcome of ['kept', 'refused', 'failed']) this.#fills.inc({ outcome }, 0);
    this.#evictions = new Counter({
      name: 'marina_blob_cache_evictions_total',
      help: 'Blobs that made room in the cache on disk for others.',
      registers,
    });
    new Gauge({
      name: 'marina_blob_cache_bytes',
      help: 'Bytes of the blobs in the cache on disk.',
      registers,
      collect() {
        this.set(bytes());
      },
    });
  }

  asked(outcome: string): void {
    this.#requests?.inc({ outcome });
  }

  filled(outcome: string): void {
    this.#fills?.inc({ outcome });
  }

  evicted(): void {
    this.#evictions?.inc();
  }
}
