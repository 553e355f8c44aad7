import { type Config, ConfigError } from '../config.ts';
import { processors } from '../system/processors.ts';
import { MergedMetrics } from '../telemetry/merged-metrics.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import type { MetricsPage } from '../telemetry/metrics-page.ts';
import { offer, remote } from '../threads/calls.ts';
import type { ProcessService, Thread } from '../threads/thread.ts';

/** How many threads serve. @throws ConfigError in one line, if THREADS cannot be used */
export function threadCount({ threads, redisUrl, storageDriver }: Config): number {
  const reason = (): string | undefined => {
    // Only Linux distributes the connections of a port among several listeners.
    if (process.platform !== 'linux') return 'several threads can serve only on Linux';
    return storageDriver === 'filesystem' && redisUrl === undefined ? 'one thread serves a data folder' : undefined;
  };
  if (threads === 0) return reason() === undefined ? processors() : 1;
  const refusal = threads === 1 ? undefined : reason();
  if (refusal !== undefined) throw new ConfigError(`THREADS=${threads} cannot be used: ${refusal}`);
  return threads;
}

/** What GET /metrics shows on any thread: the metrics of the whole process. */
export function openMetricsPage(thread: Thread, telemetry: Telemetry): MetricsPage {
  switch (thread.kind) {
    case 'alone':
      return telemetry;
    case 'owner': {
      telemetry.observeThread(0);
      const page = new MergedMetrics(
        telemetry,
        thread.others.map(
          ({ serving }) =>
            () =>
              serving.metrics(),
        ),
      );
      const service: ProcessService = { renderMetrics: () => page.render() };
      for (const { services } of thread.others) offer<ProcessService>(services.process, service);
      return page;
    }
    case 'other': {
      telemetry.observeThread(thread.index);
      const owner = remote<ProcessService>(thread.services.process, ['renderMetrics']);
      return { contentType: telemetry.contentType, render: () => owner.renderMetrics() };
    }
  }
}
