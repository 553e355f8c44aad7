import {
  Counter,
  Gauge,
  Histogram,
  type MetricObjectWithValues,
  type Registry as Metrics,
  type MetricValueWithName,
} from 'prom-client';

/** Upper bounds in seconds. */
const BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10] as const;

interface Series {
  readonly route: string;
  readonly status: string;
  count: number;
  seconds: number;
  readonly buckets: Uint32Array;
}

/**
 * Requests by route and status, counted in plain numbers that are copied into prom-client's metrics at each scrape. Its label lookup for
 * each request would cost more than serving one from memory.
 */
export class RequestMetrics {
  readonly #series = new Map<string, Map<number, Series>>();
  #received = 0;
  #sent = 0;
  #begun = 0;
  #inFlight = 0;

  constructor(metrics: Metrics) {
    const registers = [metrics];
    const each = (visit: (series: Series) => void): void => this.#each(visit);
    new Counter({
      name: 'marina_requests_total',
      help: 'Responses, by kind of request and status.',
      labelNames: ['route', 'status'],
      registers,
      collect() {
        this.reset();
        each(({ route, status, count }) => this.inc({ route, status }, count));
      },
    });
    const transferred = (): [number, number] => [this.#received, this.#sent];
    new Counter({
      name: 'marina_bytes_total',
      help: 'Bytes of request and response bodies.',
      labelNames: ['direction'],
      registers,
      collect() {
        this.reset();
        const [received, sent] = transferred();
        this.inc({ direction: 'in' }, received);
        this.inc({ direction: 'out' }, sent);
      },
    });
    const inFlight = (): number => this.#inFlight;
    new Gauge({
      name: 'marina_requests_in_flight',
      help: 'Requests in progress.',
      registers,
      collect() {
        this.set(inFlight());
      },
    });
    this.#registerLatency(metrics);
  }

  /** Adds the number of requests of this thread, which shows how the system distributes connections. */
  observeThread(metrics: Metrics, thread: number): void {
    const begun = (): number => this.#begun;
    new Counter({
      name: 'marina_thread_requests_total',
      help: 'Requests by the thread that serves them.',
      labelNames: ['thread'],
      registers: [metrics],
      collect() {
        this.reset();
        this.inc({ thread: String(thread) }, begun());
      },
    });
  }

  begin(): void {
    this.#begun++;
    this.#inFlight++;
  }

  end(route: string, status: number, seconds: number, received: number, sent: number): void {
    this.#inFlight--;
    this.#received += received;
    this.#sent += sent;
    let byStatus = this.#series.get(route);
    if (byStatus === undefined) {
      byStatus = new Map();
      this.#series.set(route, byStatus);
    }
    let series = byStatus.get(status);
    if (series === undefined) {
      series = { route, status: String(status), count: 0, seconds: 0, buckets: new Uint32Array(BOUNDS.length + 1) };
      byStatus.set(status, series);
    }
    series.count++;
    series.seconds += seconds;
    let bucket = 0;
    while (seconds > (BOUNDS[bucket] ?? Number.POSITIVE_INFINITY)) bucket++;
    series.buckets[bucket] = (series.buckets[bucket] ?? 0) + 1;
  }

  /** Requests since the start of the process. */
  get begun(): number {
    return this.#begun;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  #each(visit: (series: Series) => void): void {
    for (const byStatus of this.#series.values()) for (const series of byStatus.values()) visit(series);
  }

  #registerLatency(metrics: Metrics): void {
    new CopiedHistogram(metrics, () => {
      const values: LatencyValue[] = [];
      this.#each((series) => values.push(...latencyValues(series)));
      return values;
    });
  }
}

type LatencyValue = MetricValueWithName<'route' | 'status' | 'le'>;

const LATENCY = 'marina_request_seconds';
const HELP = 'Time until the response was ready, by kind of request and status.';

function latencyValues({ route, status, count, seconds, buckets }: Series): LatencyValue[] {
  const labels = { route, status };
  let below = 0;
  return [
    ...Array.from(buckets, (each, index) => {
      below += each;
      const le = String(BOUNDS[index] ?? '+Inf');
      return { metricName: `${LATENCY}_bucket`, value: below, labels: { ...labels, le } };
    }),
    { metricName: `${LATENCY}_sum`, value: seconds, labels },
    { metricName: `${LATENCY}_count`, value: count, labels },
  ];
}

/** A histogram whose counts are kept elsewhere; prom-client's own takes single observations only. */
class CopiedHistogram extends Histogram<'route' | 'status' | 'le'> {
  /** Provides the metadata; it observes nothing. */
  readonly #shape = new Histogram({ name: LATENCY, help: HELP, registers: [] });
  readonly #values: () => LatencyValue[];

  constructor(metrics: Metrics, values: () => LatencyValue[]) {
    super({
      name: LATENCY,
      help: HELP,
      labelNames: ['route', 'status'],
      registers: [metrics],
    });
    this.#values = values;
  }

  override async get(): Promise<MetricObjectWithValues<LatencyValue>> {
    return { ...(await this.#shape.get()), values: this.#values() };
  }

  /** prom-client calls this when it renders text. */
  getForPromString(): Promise<MetricObjectWithValues<LatencyValue>> {
    return this.get();
  }
}
