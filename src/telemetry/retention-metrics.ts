import type { Registry as Metrics } from 'prom-client';
import { LastRunGauges, type LastRunObserver } from './last-run.ts';

/** What a run of retention did. */
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

/** The last run of retention under /metrics. */
export class RetentionMetrics {
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** From now on a scrape asks for the last run. */
  observe(observer: LastRunObserver<Retained>): void {
    const gauges = new LastRunGauges(this.#metrics, observer);
    gauges.some('marina_retention_deleted', 'What the last run of retention deleted.', ['what'], (last) => [
      [{ what: 'tags' }, last.tags],
      [{ what: 'manifests' }, last.manifests],
    ]);
    gauges.one(
      'marina_retention_deleted_bytes',
      'Bytes of those manifests and of the blobs that only they referred to, to be collected later.',
      (last) => last.bytes,
    );
    gauges.one(
      'marina_retention_repositories',
      'Repositories that a rule lets something go of.',
      (last) => last.repositories,
    );
    gauges.one(
      'marina_retention_seconds',
      'How long the last run of retention took.',
      (last) => (last.finishedAt - last.startedAt) / 1000,
    );
    gauges.one(
      'marina_retention_finished_timestamp_seconds',
      'When the last run of retention ended.',
      (last) => last.finishedAt / 1000,
    );
    gauges.one(
      'marina_retention_failures',
      'Repositories that the last run of retention could not look through to the end.',
      (last) => last.failures,
    );
  }
}
