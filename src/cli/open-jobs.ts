import { type Config, ConfigError } from '../config.ts';
import { openJobConnection } from '../jobs/bullmq/connection.ts';
import type { BullQueue } from '../jobs/bullmq/queue.ts';
import { type JobQueuePorts, openJobQueue } from '../jobs/bullmq/start-workers.ts';
import { readFormat, StoreRefused } from '../storage/prepare.ts';
import { CommandError, EXIT } from './failure.ts';
import { openStore } from './open-store.ts';
import { OutputClosed } from './output.ts';

/**
 * Gives the queues of the cluster with these settings to the work, and closes them after it.
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
      'REDIS_URL is not set, and only a cluster has its jobs there: a registry alone shows its own under /metrics',
    );
  }
  const opened = await openStore(config, sleep);
  const store = await readFormat(opened.reader);
  await opened.close();
  if (store === undefined) throw new StoreRefused(`${opened.place} is no store of Marina`);
  const queue = openJobQueue({
    store,
    connect: (use) => openJobConnection(redisUrl, use, redisCaFile === undefined ? {} : { caFile: redisCaFile }),
    now: Date.now,
    sleep,
    // What the command asks for fails by itself when Redis is away.
    troubled: () => {},
  });
  try {
    return await work(queue);
  } catch (error) {
    if (error instanceof CommandError || error instanceof OutputClosed || !(error instanceof Error)) throw error;
    throw new CommandError(EXIT.failed, `the job queue cannot be asked: ${error.message}`);
  } finally {
    await queue.close();
  }
}
