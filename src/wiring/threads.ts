import { RobotsHead } from '../access/robots/head.ts';
import { type Config, ConfigError } from '../config.ts';
import { NotesHead } from '../feed/notes/head.ts';
import { Heads } from '../projection/threads/heads.ts';
import { SharedMarks } from '../sessions/shared-marks.ts';
import { processors } from '../system/processors.ts';
import { MergedMetrics } from '../telemetry/merged-metrics.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import type { MetricsPage } from '../telemetry/metrics-page.ts';
import { offer, remote } from '../threads/calls.ts';
import type { ProcessService, SharedMemory, Thread } from '../threads/thread.ts';
import { allocateLimitMemory } from './request-limits.ts';

/** How many threads serve. @throws ConfigError in one line, if THREADS cannot be used */
export function threadCount({ threads }: Config): number {
  // Only Linux distributes the connections of a port among several listeners.
  const canServe = process.platform === 'linux';
  if (threads === 0) return canServe ? processors() : 1;
  if (threads > 1 && !canServe)
    throw new ConfigError(`THREADS=${threads} cannot be used: several threads can serve only on Linux`);
  return threads;
}

/** The memory that all threads of this process share. */
export function allocateSharedMemory(config: Config): SharedMemory {
  return {
    heads: Heads.allocate(),
    limits: allocateLimitMemory(config),
    sessions: SharedMarks.allocate(config.maxConnections),
    robots: RobotsHead.allocate(),
    notes: NotesHead.allocate(),
  };
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
