import { AggregatorRegistry, Gauge, Registry as Metrics } from 'prom-client';
import { within } from '../system/within.ts';
import type { Telemetry } from './metrics.ts';
import type { MetricsPage, MetricsPart } from './metrics-page.ts';

/** How long a scrape waits for a thread, in milliseconds: longer than any metric of a thread waits for the store. */
const THREAD_TIMEOUT_MS = 4_000;

type ReadPart = () => Promise<MetricsPart>;

/**
 * The metrics of a process whose threads count separately. Each metric says how its values are merged (`aggregator`): most are added.
 * A thread that does not answer in time counts with its last values, because a sum that falls would look like a restart.
 */
export class MergedMetrics implements MetricsPage {
  readonly #own: Telemetry;
  readonly #others: readonly Part[];
  readonly #process = new Metrics();

  constructor(own: Telemetry, others: readonly ReadPart[], timeout: number = THREAD_TIMEOUT_MS) {
    this.#own = own;
    this.#others = others.map((read) => new Part(read, timeout));
    const registers = [this.#process];
    new Gauge({ name: 'marina_threads', help: 'Threads that serve requests.', registers }).set(others.length + 1);
    const parts = this.#others;
    new Gauge({
      name: 'marina_threads_late',
      help: 'Threads that did not report their metrics in time; they count with their last values.',
      registers,
      collect() {
        this.set(parts.filter(({ isLate }) => isLate).length);
      },
    });
  }

  get contentType(): string {
    return this.#own.contentType;
  }

  async render(): Promise<string> {
    const parts = await Promise.all([this.#own.part(), ...this.#others.map((other) => other.read())]);
    const process: MetricsPart = await this.#process.getMetricsAsJSON();
    return await AggregatorRegistry.aggregate([...parts, process].map((part) => [...part])).metrics();
  }
}

/** Another thread's part. */
class Part {
  readonly #read: ReadPart;
  readonly #timeout: number;
  #last: MetricsPart = [];
  #reading: Promise<MetricsPart> | undefined;
  #isLate = false;

  constructor(read: ReadPart, timeout: number) {
    this.#read = read;
    this.#timeout = timeout;
  }

  /** Whether the last read got no answer in time. */
  get isLate(): boolean {
    return this.#isLate;
  }

  async read(): Promise<MetricsPart> {
    // A thread that is late is not asked again before it has answered.
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    const answer = await within(this.#timeout, this.#reading);
    this.#isLate = answer === undefined;
    this.#last = answer ?? this.#last;
    return this.#last;
  }
}
