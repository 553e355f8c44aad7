import { Counter, Gauge, type Registry as Metrics } from 'prom-client';

type PerResource = Readonly<Partial<Record<string, number>>>;

export interface ObservedQuotas {
  /** Read at each scrape. Bytes, or numbers of repositories, tags and slots. */
  readonly quotas: () => readonly {
    readonly name: string;
    readonly used: PerResource;
    readonly allowed: PerResource;
  }[];
  /** Whether every repository has been counted since the start, or since the quotas changed. */
  readonly isComplete: () => boolean;
}

/** The quotas of ACCESS_FILE. A process without that file has no such metrics. */
export class QuotaMetrics {
  readonly #metrics: Metrics;
  #refusals: Counter<'quota' | 'resource'> | undefined;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  observe({ quotas, isComplete }: ObservedQuotas): void {
    const registers = [this.#metrics];
    const gauge = (name: string, help: string, of: 'used' | 'allowed'): void => {
      new Gauge({
        name,
        help,
        labelNames: ['quota', 'resource'],
        // Every thread counts all repositories.
        aggregator: 'max',
        registers,
        collect() {
          this.reset();
          for (const quota of quotas()) {
            for (const resource of Object.keys(quota.allowed)) {
              const value = quota[of][resource];
              if (value !== undefined) this.set({ quota: quota.name, resource }, value);
            }
          }
        },
      });
    };
    gauge('marina_quota_used', 'Usage of all repositories of a quota: bytes, repositories, tags or slots.', 'used');
    gauge('marina_quota_allowed', 'Limits of a quota: bytes, repositories, tags or slots.', 'allowed');
    new Gauge({
      name: 'marina_quota_counted',
      help: '1 once every repository has been counted; until then marina_quota_used may be too low.',
      aggregator: 'min',
      registers,
      collect() {
        this.set(isComplete() ? 1 : 0);
      },
    });
    this.#refusals = new Counter({
      name: 'marina_quota_refusals_total',
      help: 'Requests refused because they would exceed a quota.',
      labelNames: ['quota', 'resource'],
      registers,
    });
  }

  refused(quota: string, resource: string): void {
    this.#refusals?.inc({ quota, resource });
  }
}
