import { openJobConnection } from '../jobs/bullmq/connection.ts';
import { openJobQueue } from '../jobs/bullmq/start-workers.ts';
import type { JobBoard } from '../jobs/queue.ts';
import type { RedisAddress } from '../projection/redis/address.ts';
import { sleep } from './basics.ts';
import { observeCollections } from './collection.ts';
import { type Jobs, offerJobs } from './jobs.ts';
import type { ShapePorts } from './node-ports.ts';
import { caOf } from './redis.ts';
import { observeRetention } from './retention.ts';
import { observeReportedWebhooks } from './webhooks.ts';

/** Opens the queues of a cluster for a node, and shows in /metrics what its workers do. */
export function openClusterJobs(ports: ShapePorts, address: RedisAddress): Jobs & { readonly board: JobBoard } {
  const { config, logs, telemetry, opened, thread, webhookFile } = ports;
  const queue = openJobQueue({
    store: opened.instance,
    connect: (use) => openJobConnection(address, use, caOf(config)),
    now: Date.now,
    sleep: (milliseconds, signal) => sleep(milliseconds, signal),
    onError: (error) => logs.logger.warn({ err: error }, 'the job queue failed; it is retried'),
  });
  observeRetention(telemetry, opened, logs.logger);
  observeCollections(telemetry, opened, (error) =>
    logs.logger.warn({ err: error }, 'the last collection could not be read'),
  );
  if (webhookFile !== undefined) observeReportedWebhooks(telemetry, opened, logs.logger);
  telemetry.jobs.observe({
    counts: () => queue.counts(),
    failed: (error) => logs.logger.warn({ err: error }, 'the background jobs could not be counted'),
  });
  const jobs: Jobs = { enqueue: (job) => queue.enqueue(job), close: () => queue.close() };
  offerJobs(thread, jobs);
  // A node that ended may not have reported its last writes.
  void jobs.enqueue({ kind: 'sweep-notes' });
  return { ...jobs, board: queue };
}
