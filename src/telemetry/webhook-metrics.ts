import { Counter, Gauge, Histogram, type Registry as Metrics } from 'prom-client';

/** What a webhook is doing. */
export interface ObservedWebhook {
  readonly name: string;
  readonly isPaused: boolean;
  /** Time of the oldest change that it has not delivered, ISO 8601. */
  readonly oldest: string | undefined;
  readonly failing?: { readonly attempts: number } | undefined;
  /** Since the webhook began. */
  readonly totals: { readonly delivered: number; readonly skipped: number; readonly failed: number };
}

export interface WebhookObserver {
  /** All webhooks, whichever process delivers them; undefined if they are not known. */
  readonly webhooks: () => Promise<readonly ObservedWebhook[] | undefined>;
  /** Called if they could not be read; the scrape then lacks them. */
  readonly failed: (error: unknown) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Webhooks. All nodes of a cluster report the same, but for the attempts, which only the process that delivers counts. */
export class WebhookMetrics {
  readonly #metrics: Metrics;
  #attempts: Histogram<'webhook' | 'outcome'> | undefined;
  #reading: Promise<readonly ObservedWebhook[]> | undefined;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** Registers the metrics; each scrape reads the state of the webhooks. */
  observe(observer: WebhookObserver): void {
    const registers = [this.#metrics];
    const read = (): Promise<readonly ObservedWebhook[]> => this.#readOnce(observer);
    const gauge = (name: string, help: string, value: (webhook: ObservedWebhook) => number): void => {
      new Gauge({
        ...{ name, help, registers, labelNames: ['webhook'], aggregator: 'max' },
        async collect() {
          const webhooks = await read();
          this.reset();
          for (const webhook of webhooks) this.set({ webhook: webhook.name }, value(webhook));
        },
      });
    };
    const counter = (name: string, help: string, value: (webhook: ObservedWebhook) => number): void => {
      new Counter({
        ...{ name, help, registers, labelNames: ['webhook'], aggregator: 'max' },
        async collect() {
          const webhooks = await read();
          this.reset();
          for (const webhook of webhooks) this.inc({ webhook: webhook.name }, value(webhook));
        },
      });
    };
    gauge('marina_webhook_lag_seconds', 'Age of the oldest change that is not delivered; 0: none.', ({ oldest }) =>
      oldest === undefined ? 0 : Math.max(0, observer.now() - Date.parse(oldest)) / 1000,
    );
    gauge(
      'marina_webhook_failures',
      'Failed attempts since the last success.',
      ({ failing }) => failing?.attempts ?? 0,
    );
    gauge('marina_webhook_paused', '1 while an operator has paused the webhook.', ({ isPaused }) => (isPaused ? 1 : 0));
    counter('marina_webhook_delivered_total', 'Changes that were acknowledged.', ({ totals }) => totals.delivered);
    counter('marina_webhook_failed_total', 'Attempts that failed.', ({ totals }) => totals.failed);
    counter(
      'marina_webhook_skipped_total',
      'Changes that were not delivered because they became older than maxAge.',
      ({ totals }) => totals.skipped,
    );
  }

  /** @param outcome `accepted` or `failed` */
  attempted(webhook: string, outcome: string, seconds: number): void {
    this.#attempts ??= new Histogram({
      name: 'marina_webhook_attempt_seconds',
      help: 'Attempts to deliver by this process, by webhook and outcome (accepted, failed).',
      labelNames: ['webhook', 'outcome'],
      buckets: SECONDS,
      registers: [this.#metrics],
    });
    this.#attempts.observe({ webhook, outcome }, seconds);
  }

  /** All metrics of a scrape share one read. */
  #readOnce({ webhooks, failed }: WebhookObserver): Promise<readonly ObservedWebhook[]> {
    this.#reading ??= webhooks()
      .catch((error: unknown) => {
        failed(error);
        return undefined;
      })
      .then((found) => found ?? [])
      .finally(() => {
        this.#reading = undefined;
      });
    return this.#reading;
  }
}
