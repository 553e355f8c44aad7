import type { MetricObjectWithValues, MetricValue } from 'prom-client';

/** The metrics that an HTTP response shows. */
export interface MetricsPage {
  readonly contentType: string;
  /** Prometheus's text format. */
  render(): Promise<string>;
}

/** One thread's metrics with their values. Can be sent to another thread. */
export type MetricsPart = readonly MetricObjectWithValues<MetricValue<string>>[];
