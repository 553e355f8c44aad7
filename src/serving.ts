import { setTimeout as delay } from 'node:timers/promises';
import packageJson from '../package.json' with { type: 'json' };
import type { Config } from './config.ts';
import type { Logs } from './telemetry/log.ts';
import type { MetricsPart } from './telemetry/metrics-page.ts';
import type { ServingThread, Thread } from './threads/thread.ts';
import type { Listeners } from './wiring/listeners.ts';
import { type Node, wire } from './wiring.ts';

const POLL_MS = 20;
/** How long aborted requests may take to clean up. */
const CLEAN_UP_MS = 2_000;

const { version } = packageJson;

/** This thread of the process, while it serves. */
export class Serving implements ServingThread {
  readonly #config: Config;
  readonly #logs: Logs;
  readonly #thread: Thread;
  #node: Node | undefined;
  #listeners: Listeners | undefined;

  constructor(config: Config, logs: Logs, thread: Thread) {
    this.#config = config;
    this.#logs = logs;
    this.#thread = thread;
  }

  /** @throws Error before `wire` has ended */
  get node(): Node {
    if (this.#node === undefined) throw new Error('the thread is not wired');
    return this.#node;
  }

  /** @throws Error before `listen` has ended */
  get listeners(): Listeners {
    if (this.#listeners === undefined) throw new Error('the thread does not listen');
    return this.#listeners;
  }

  async wire(): Promise<void> {
    const { logger } = this.#logs;
    const { level } = logger;
    // The owner has already logged the same about the settings.
    if (this.#thread.kind === 'other') logger.level = this.#config.logLevel === 'silent' ? 'silent' : 'error';
    this.#node = await wire(this.#config, this.#logs, version, this.#thread);
    logger.level = level;
  }

  async listen(port: number): Promise<number> {
    this.#listeners = await this.node.listen(port);
    return this.#listeners.port;
  }

  metrics(): Promise<MetricsPart> {
    return this.node.metrics();
  }

  async begun(): Promise<number> {
    return this.node.begun();
  }

  async inFlight(): Promise<number> {
    return this.node.inFlight();
  }

  async drain(within: number): Promise<void> {
    const { node, listeners } = this;
    const deadline = performance.now() + within;
    // A request that a client has already sent is served, too.
    await listeners.stop();
    node.refuse('the registry is shutting down');
    while (performance.now() < deadline && (node.inFlight() > 0 || listeners.pending() > 0)) await delay(POLL_MS);
  }

  async disconnect(within: number): Promise<void> {
    const { node, listeners } = this;
    await listeners.close(performance.now() + within);
    // Aborted uploads keep the bytes that have arrived, as after a broken connection.
    const cleanUpEnds = performance.now() + CLEAN_UP_MS;
    while (performance.now() < cleanUpEnds && node.inFlight() > 0) await delay(POLL_MS);
  }

  async close(): Promise<void> {
    await this.node.close();
    this.#logs.flush();
  }
}
