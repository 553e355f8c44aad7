import { type Config, ConfigError } from '../config.ts';
import { openJobConnection } from '../jobs/bullmq/connection.ts';
import type { BullQueue } from '../jobs/bullmq/queue.ts';
import { type JobQueuePorts, openJobQueue } from '../jobs/bullmq/start-workers.ts';
import { readIdentity, StoreRefused } from '../storage/prepare.ts';
import { CommandError, EXIT } from './failure.ts';
import { openStore } from './open-store.ts';
import { OutputClosed } from './output.ts';

/**
 * Opens the job queues of the cluster with these settings while `work` runs.
 * @throws ConfigError, StoreRefused, CommandError in one line
 */
export async function withJobs<T>(
  config: Config,
  sleep: JobQueuePorts['sleep'],
  work: (queue: BullQueue) => Promise<T>,
): Promise<T> {
  const { redisUrl, redisCaFile } = config;
  if (redisUrl === undefined) {
    throw new ConfigError(
      'REDIS_URL is not set: only a cluster has job queues; a single server shows its jobs at /ui/operations and in /metrics',
    );
  }
  const opened = await openStore(config, sleep);
  const identity = await readIdentity(opened.reader);
  await opened.close();
  if (identity === undefined) throw new StoreRefused(`${opened.place} is not a Marina store`);
  const queue = openJobQueue({
    store: identity.instance,
    connect: (use) => openJobConnection(redisUrl, use, redisCaFile === undefined ? {} : { caFile: redisCaFile }),
    now: Date.now,
    sleep,
    // The command's own requests fail when Redis is away.
    onError: () => {},
  });
  try {
    return await work(queue);
  } catch (error) {
    if (error instanceof CommandError || error instanceof OutputClosed || !(error instanceof Error)) throw error;
    throw new CommandError(EXIT.failed, `the job queues cannot be read: ${error.message}`);
  } finally {
    await queue.close();
  }
}
