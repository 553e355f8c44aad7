import { Counter, Histogram, type Registry as Metrics } from 'prom-client';

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2];

/** A node's requests to the services it depends on, and its views in Redis. */
export class ServiceMetrics {
  readonly #storage: Counter<'operation' | 'outcome'>;
  readonly #redis: Histogram<'script' | 'outcome'>;
  readonly #heals: Counter<'how'>;
  readonly #fallbacks: Counter<'why'>;
  readonly #turns: Histogram;

  constructor(metrics: Metrics) {
    const registers = [metrics];
    this.#storage = new Counter({
      name: 'marina_storage_requests_total',
      help: 'Attempts at requests to the object store, by operation; failed: no response, or a transient error.',
      labelNames: ['operation', 'outcome'],
      registers,
    });
    this.#redis = new Histogram({
      name: 'marina_redis_seconds',
      help: 'Round trips to Redis, by script and outcome (ok, failed).',
      labelNames: ['script', 'outcome'],
      buckets: SECONDS,
      registers,
    });
    this.#heals = new Counter({
      name: 'marina_view_heals_total',
      help: 'Views in Redis compared with the log: verified, caught up, or rebuilt.',
      labelNames: ['how'],
      registers,
    });
    this.#fallbacks = new Counter({
      name: 'marina_view_fallbacks_total',
      help: 'Reads served from storage, because Redis was gone or another node was busy healing the view.',
      labelNames: ['why'],
      registers,
    });
    this.#turns = new Histogram({
      name: 'marina_append_turn_seconds',
      help: 'Time that writes waited for the turn of this node.',
      buckets: SECONDS,
      registers,
    });
  }

  storageRequested(operation: string, ok: boolean): void {
    this.#storage.inc({ operation, outcome: ok ? 'ok' : 'failed' });
  }

  redisAnswered(script: string, seconds: number, ok: boolean): void {
    this.#redis.observe({ script, outcome: ok ? 'ok' : 'failed' }, seconds);
  }

  healed(how: string): void {
    this.#heals.inc({ how });
  }

  fellBack(why: string): void {
    this.#fallbacks.inc({ why });
  }

  waitedForTurn(milliseconds: number): void {
    this.#turns.observe(milliseconds / 1000);
  }
}
