import { Gauge, Histogram, type Registry as Metrics } from 'prom-client';

/** A queue's counts of the jobs of one kind. */
export interface JobCounts {
  readonly kind: string;
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  readonly failed: number;
  readonly oldestSeconds: number;
}

export interface JobCounter {
  /** Must settle in bounded time. */
  readonly counts: () => Promise<readonly JobCounts[]>;
  /** Called if it rejects; the scrape then lacks these metrics. */
  readonly failed: (error: unknown) => void;
}

const STATES = ['waiting', 'active', 'delayed', 'failed'] as const;

/** Background jobs. The gauges describe the queue, so all nodes of a cluster report the same; the histogram describes this process. */
export class JobMetrics {
  readonly #seconds: Histogram<'kind' | 'outcome'>;
  readonly #metrics: Metrics;
  #counting: Promise<readonly JobCounts[]> | undefined;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    this.#seconds = new Histogram({
      name: 'marina_job_seconds',
      help: 'Duration of attempts at background jobs, by kind and outcome (done, failed, stopped).',
      labelNames: ['kind', 'outcome'],
      buckets: [0.01, 0.05, 0.25, 1, 5, 30, 120, 600],
      registers: [metrics],
    });
  }

  ended(kind: string, outcome: string, seconds: number): void {
    this.#seconds.observe({ kind, outcome }, seconds);
  }

  /** Registers the gauges; each scrape reads the queue. */
  observe(counter: JobCounter): void {
    const registers = [this.#metrics];
    const counts = (): Promise<readonly JobCounts[]> => this.#countsOnce(counter);
    new Gauge({
      name: 'marina_jobs',
      help: 'Background jobs by kind and state; failed are the dead letters.',
      labelNames: ['kind', 'state'],
      registers,
      async collect() {
        this.reset();
        for (const each of await counts()) {
          for (const state of STATES) this.set({ kind: each.kind, state }, each[state]);
        }
      },
    });
    new Gauge({
      name: 'marina_job_oldest_seconds',
      help: 'Time since the oldest waiting job of a kind was due.',
      labelNames: ['kind'],
      registers,
      async collect() {
        this.reset();
        for (const { kind, oldestSeconds } of await counts()) this.set({ kind }, oldestSeconds);
      },
    });
  }

  /** Both gauges of a scrape share one read of the queue. */
  #countsOnce({ counts, failed }: JobCounter): Promise<readonly JobCounts[]> {
    this.#counting ??= counts()
      .catch((error: unknown) => {
        failed(error);
        return [];
      })
      .finally(() => {
        this.#counting = undefined;
      });
    return this.#counting;
  }
}
