import { Counter, Gauge, type Registry as Metrics } from 'prom-client';

/** A node's cache of blobs on disk. Without a cache none of these metrics exist. */
export class BlobCacheMetrics {
  readonly #metrics: Metrics;
  #requests: Counter<'outcome'> | undefined;
  #fills: Counter<'outcome'> | undefined;
  #evictions: Counter | undefined;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** Registers the metrics. @param bytes size of all files, read at each scrape */
  observe(bytes: () => number): void {
    const registers = [this.#metrics];
    this.#requests = new Counter({
      name: 'marina_blob_cache_requests_total',
      help: 'GETs of blobs that the cache on disk may hold: hit (sent from there) or miss.',
      labelNames: ['outcome'],
      registers,
    });
    for (const outcome of ['hit', 'miss']) this.#requests.inc({ outcome }, 0);
    this.#fills = new Counter({
      name: 'marina_blob_cache_fills_total',
      help: 'Blobs fetched for the cache on disk: kept, refused (no room) or failed.',
      labelNames: ['outcome'],
      registers,
    });
    for (const outcome of ['kept', 'refused', 'failed']) this.#fills.inc({ outcome }, 0);
    this.#evictions = new Counter({
      name: 'marina_blob_cache_evictions_total',
      help: 'Blobs evicted from the cache on disk.',
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

  requested(outcome: string): void {
    this.#requests?.inc({ outcome });
  }

  filled(outcome: string): void {
    this.#fills?.inc({ outcome });
  }

  evicted(): void {
    this.#evictions?.inc();
  }
}
