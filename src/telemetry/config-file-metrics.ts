import { Counter, Gauge, type Registry as Metrics } from 'prom-client';

/** A configuration file that is read again when it changes. */
export interface ObservedFile {
  /** The setting that names it. */
  readonly name: string;
  /** SHA-256 of the content in use, in hex. */
  readonly hash: () => string;
  /** Whether the content on disk is in use. */
  readonly isCurrent: () => boolean;
}

const RESULTS = ['loaded', 'refused'] as const;

/** Configuration files that are read again when they change. All nodes of a cluster should show the same hashes. */
export class ConfigFileMetrics {
  readonly #metrics: Metrics;
  readonly #files: ObservedFile[] = [];
  #reloads: Counter<'file' | 'result'> | undefined;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  observe(file: ObservedFile): void {
    this.#files.push(file);
    this.#reloads ??= this.#register();
    for (const result of RESULTS) this.#reloads.inc({ file: file.name, result }, 0);
  }

  /** @param name of a file that is observed */
  reloaded(name: string, result: (typeof RESULTS)[number]): void {
    this.#reloads?.inc({ file: name, result });
  }

  #register(): Counter<'file' | 'result'> {
    const registers = [this.#metrics];
    const files = this.#files;
    new Gauge({
      name: 'marina_config_file_info',
      help: 'Always 1; hash is the SHA-256 of the content in use.',
      aggregator: 'max',
      labelNames: ['file', 'hash'],
      registers,
      collect() {
        this.reset();
        for (const { name, hash } of files) this.set({ file: name, hash: hash() }, 1);
      },
    });
    new Gauge({
      name: 'marina_config_file_current',
      help: '1 if the content on disk is in use, 0 while it cannot be used and the last good content stays in use.',
      labelNames: ['file'],
      aggregator: 'min',
      registers,
      collect() {
        for (const { name, isCurrent } of files) this.set({ file: name }, isCurrent() ? 1 : 0);
      },
    });
    return new Counter({
      name: 'marina_config_file_reloads_total',
      help: 'Changes of a file since the start: loaded, or refused because the new content cannot be used.',
      labelNames: ['file', 'result'],
      // Every thread reads the file.
      aggregator: 'max',
      registers,
    });
  }
}
