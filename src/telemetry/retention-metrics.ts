import type { Registry as Metrics } from 'prom-client';
import { LastRunGauges, type LastRunObserver } from './last-run.ts';

/** The result of a retention run. */
export interface Retained {
  /** Milliseconds. */
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly repositories: number;
  readonly tags: number;
  readonly manifests: number;
  readonly bytes: number;
  readonly failures: number;
}

/** The last retention run of the store. */
export class RetentionMetrics {
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** Registers the metrics; each scrape reads the last run. */
  observe(observer: LastRunObserver<Retained>): void {
    const gauges = new LastRunGauges(this.#metrics, observer);
    gauges.labelled(
      'marina_retention_deleted',
      'Tags and manifests that the last retention run deleted.',
      ['what'],
      (last) => [
        [{ what: 'tags' }, last.tags],
        [{ what: 'manifests' }, last.manifests],
      ],
    );
    gauges.scalar(
      'marina_retention_deleted_bytes',
      'Bytes of those manifests and of the blobs that only they referenced, for a later collection to free.',
      (last) => last.bytes,
    );
    gauges.scalar(
      'marina_retention_repositories',
      'Repositories with a rule that deletes.',
      (last) => last.repositories,
    );
    gauges.scalar(
      'marina_retention_seconds',
      'Duration of the last retention run.',
      (last) => (last.finishedAt - last.startedAt) / 1000,
    );
    gauges.scalar(
      'marina_retention_finished_timestamp_seconds',
      'When the last retention run ended.',
      (last) => last.finishedAt / 1000,
    );
    gauges.scalar(
      'marina_retention_failures',
      'Repositories that the last retention run could not finish.',
      (last) => last.failures,
    );
  }
}
