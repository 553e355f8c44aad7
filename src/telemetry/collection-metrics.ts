import type { Registry as Metrics } from 'prom-client';
import { LastRunGauges, type LastRunObserver } from './last-run.ts';

interface Amount {
  readonly objects: number;
  readonly bytes: number;
}

/** The result of a garbage collection. */
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

/** The last collection of the store; all nodes of a cluster report the same one. */
export class CollectionMetrics {
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** Registers the metrics; each scrape reads the last run. */
  observe(observer: LastRunObserver<Collected>): void {
    const gauges = new LastRunGauges(this.#metrics, observer);
    gauges.labelled('marina_collection_objects', 'Objects of the last collection, by state.', ['state'], (last) => [
      [{ state: 'examined' }, last.examined.objects],
      [{ state: 'kept' }, last.kept.objects],
      [{ state: 'condemned' }, last.condemned],
      [{ state: 'spared' }, last.spared],
      [{ state: 'freed' }, last.freed.objects],
      [{ state: 'waiting' }, last.waiting.objects],
    ]);
    gauges.labelled('marina_collection_bytes', 'Bytes of those objects.', ['state'], (last) => [
      [{ state: 'examined' }, last.examined.bytes],
      [{ state: 'kept' }, last.kept.bytes],
      [{ state: 'freed' }, last.freed.bytes],
      [{ state: 'waiting' }, last.waiting.bytes],
    ]);
    gauges.scalar(
      'marina_collection_unlinked_blobs',
      'Unreferenced blobs that the last collection unlinked.',
      (last) => last.unlinked,
    );
    gauges.scalar(
      'marina_collection_seconds',
      'Duration of the last collection.',
      (last) => (last.finishedAt - last.startedAt) / 1000,
    );
    gauges.scalar(
      'marina_collection_finished_timestamp_seconds',
      'When the last collection ended.',
      (last) => last.finishedAt / 1000,
    );
    gauges.scalar(
      'marina_collection_failures',
      'Deletes that failed in the last collection, plus 1 if it did not finish.',
      (last) => last.failures + (last.failed === undefined ? 0 : 1),
    );
    gauges.scalar(
      'marina_collection_oldest_garbage_seconds',
      'Age of the oldest garbage that could have been deleted. If it grows, collection is behind.',
      (last) => last.oldestGarbageSeconds,
    );
  }
}
