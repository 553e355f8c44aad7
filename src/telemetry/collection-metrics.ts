import type { Registry as Metrics } from 'prom-client';
import { LastRunGauges, type LastRunObserver } from './last-run.ts';

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

/** The last collection under /metrics: every node of a cluster shows the same one. */
export class CollectionMetrics {
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** From now on a scrape asks for the last run. */
  observe(observer: LastRunObserver<Collected>): void {
    const gauges = new LastRunGauges(this.#metrics, observer);
    gauges.some(
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
    gauges.some('marina_collection_bytes', 'Bytes of those objects.', ['state'], (last) => [
      [{ state: 'examined' }, last.examined.bytes],
      [{ state: 'kept' }, last.kept.bytes],
      [{ state: 'freed' }, last.freed.bytes],
      [{ state: 'waiting' }, last.waiting.bytes],
    ]);
    gauges.one(
      'marina_collection_unlinked_blobs',
      'Blobs that the last collection unlinked, as nothing refers to them.',
      (last) => last.unlinked,
    );
    gauges.one(
      'marina_collection_seconds',
      'How long the last collection took.',
      (last) => (last.finishedAt - last.startedAt) / 1000,
    );
    gauges.one(
      'marina_collection_finished_timestamp_seconds',
      'When the last collection ended.',
      (last) => last.finishedAt / 1000,
    );
    gauges.one(
      'marina_collection_failures',
      'Deletes that failed in the last collection, and 1 more when it did not get to its end.',
      (last) => last.failures + (last.failed === undefined ? 0 : 1),
    );
    gauges.one(
      'marina_collection_oldest_garbage_seconds',
      'For how long the oldest garbage that is left could have been deleted: when this grows, collection is behind.',
      (last) => last.oldestGarbageSeconds,
    );
  }
}
