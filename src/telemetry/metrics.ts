import { type Aggregator, Counter, Gauge, Histogram, Registry as Metrics } from 'prom-client';
import { BlobCacheMetrics } from './blob-cache-metrics.ts';
import { CollectionMetrics } from './collection-metrics.ts';
import { ConfigFileMetrics } from './config-file-metrics.ts';
import { JobMetrics } from './job-metrics.ts';
import type { MetricsPage, MetricsPart } from './metrics-page.ts';
import { PasswordMetrics } from './password-metrics.ts';
import { QuotaMetrics } from './quota-metrics.ts';
import { ReplicaMetrics } from './replica-metrics.ts';
import { RequestMetrics } from './request-metrics.ts';
import { RetentionMetrics } from './retention-metrics.ts';
import { RobotMetrics } from './robot-metrics.ts';
import { ServiceMetrics } from './service-metrics.ts';
import { TlsMetrics } from './tls-metrics.ts';
import { TokenMetrics } from './token-metrics.ts';
import { WebhookMetrics } from './webhook-metrics.ts';

/** Sources of the gauges, read at each scrape. */
export interface Observed {
  /** undefined if no single process knows. */
  readonly uploadsOpen: () => number | undefined;
  readonly viewBytes: () => number;
  readonly viewRepositories: () => number;
  readonly cacheBytes: () => number;
  readonly pastBytes: () => number;
  readonly changesWaiting: () => number;
  readonly isReadOnly: () => boolean;
}

/**
 * Reasons of failed requests that are not the client's fault. Every series exists from the start, at 0, because an alert on the increase
 * of a series would miss the failure that creates it.
 */
const FAILURE_REASONS = [
  'draining',
  'overloaded',
  'writes-paused',
  'unavailable',
  'storage-full',
  'log-broken',
  'content-damaged',
  'unanswered',
  'unexpected',
] as const;
const UNEXPECTED: (typeof FAILURE_REASONS)[number] = 'unexpected';

/** All metrics of a thread. */
export class Telemetry implements MetricsPage {
  readonly requests: RequestMetrics;
  readonly jobs: JobMetrics;
  readonly collections: CollectionMetrics;
  readonly retention: RetentionMetrics;
  readonly services: ServiceMetrics;
  readonly blobCache: BlobCacheMetrics;
  readonly passwords: PasswordMetrics;
  readonly robots: RobotMetrics;
  readonly configFiles: ConfigFileMetrics;
  readonly tls: TlsMetrics;
  readonly tokens: TokenMetrics;
  readonly quotas: QuotaMetrics;
  readonly replica: ReplicaMetrics;
  readonly webhooks: WebhookMetrics;
  readonly #metrics = new Metrics();
  readonly #appends: Histogram;
  readonly #failures: Counter<'reason'>;

  constructor() {
    const registers = [this.#metrics];
    this.requests = new RequestMetrics(this.#metrics);
    this.jobs = new JobMetrics(this.#metrics);
    this.collections = new CollectionMetrics(this.#metrics);
    this.retention = new RetentionMetrics(this.#metrics);
    this.services = new ServiceMetrics(this.#metrics);
    this.blobCache = new BlobCacheMetrics(this.#metrics);
    this.passwords = new PasswordMetrics(this.#metrics);
    this.robots = new RobotMetrics(this.#metrics);
    this.configFiles = new ConfigFileMetrics(this.#metrics);
    this.tls = new TlsMetrics(this.#metrics);
    this.tokens = new TokenMetrics(this.#metrics);
    this.quotas = new QuotaMetrics(this.#metrics);
    this.replica = new ReplicaMetrics(this.#metrics);
    this.webhooks = new WebhookMetrics(this.#metrics);
    this.#appends = new Histogram({
      name: 'marina_log_append_events',
      help: 'Events per slot, that is writes that shared one append. _count is the number of appends.',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers,
    });
    this.#failures = new Counter({
      name: 'marina_request_failures_total',
      help: 'Requests answered with a status of 500 or above, by reason.',
      labelNames: ['reason'],
      registers,
    });
    for (const reason of FAILURE_REASONS) this.#failures.inc({ reason }, 0);
  }

  /** Registers the gauges. Separate from the constructor, as their sources exist only after the wiring. */
  observe(observed: Observed): void {
    this.#gauge('marina_uploads_open', 'Upload sessions in progress.', observed.uploadsOpen);
    this.#gauge('marina_view_bytes', 'Estimated memory of the views of repositories.', observed.viewBytes);
    this.#gauge('marina_view_repositories', 'Repositories with a view in memory.', observed.viewRepositories);
    this.#gauge(
      'marina_content_cache_bytes',
      'Bytes of manifests and small blobs cached in memory.',
      observed.cacheBytes,
    );
    this.#gauge('marina_past_bytes', 'Estimated memory of states of the past.', observed.pastBytes);
    this.#gauge('marina_changes_waiting', 'Readers that wait for changes.', observed.changesWaiting);
    const isReadOnly = (): number => (observed.isReadOnly() ? 1 : 0);
    this.#gauge(
      'marina_read_only',
      '1 while writes are refused (READ_ONLY, marina read-only), else 0.',
      isReadOnly,
      'max',
    );
    const resident = (): number => process.memoryUsage.rss();
    this.#gauge('process_resident_memory_bytes', 'Resident memory of this process.', resident, 'max');
    this.#gauge('process_uptime_seconds', 'Age of this process.', () => process.uptime(), 'max');
  }

  /** For a process with several threads: adds what tells them apart. */
  observeThread(thread: number): void {
    this.requests.observeThread(this.#metrics, thread);
  }

  appended(events: number): void {
    this.#appends.observe(events);
  }

  /** @param kind of the error; one without a series of its own counts as `unexpected` */
  requestFailed(kind: string): void {
    this.#failures.inc({ reason: FAILURE_REASONS.find((each) => each === kind) ?? UNEXPECTED });
  }

  get contentType(): string {
    return this.#metrics.contentType;
  }

  /** Prometheus's text format. */
  render(): Promise<string> {
    return this.#metrics.metrics();
  }

  /** The values of all metrics, to be merged with those of other threads. */
  part(): Promise<MetricsPart> {
    return this.#metrics.getMetricsAsJSON();
  }

  /** @param aggregator how the values of several threads are merged */
  #gauge(name: string, help: string, value: () => number | undefined, aggregator: Aggregator = 'sum'): void {
    new Gauge({
      name,
      help,
      aggregator,
      registers: [this.#metrics],
      collect() {
        const current = value();
        if (current === undefined) this.remove();
        else this.set(current);
      },
    });
  }
}
