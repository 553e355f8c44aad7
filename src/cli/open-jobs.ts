import { setTimeout as delay } from 'node:timers/promises';
import { ConfigError } from '../config.ts';
import { openJobConnection } from '../jobs/bullmq/connection.ts';
import type { BullQueue } from '../jobs/bullmq/queue.ts';
import { openJobQueue } from '../jobs/bullmq/start-workers.ts';
import { parseRedisUrl, REDIS_URL_FORMS } from '../projection/redis/address.ts';
import { readFormat, StoreRefused } from '../storage/prepare.ts';
import { CommandError, EXIT } from './failure.ts';
import { openStore } from './open-store.ts';
import { OutputClosed } from './output.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Gives the queues of the cluster with this environment to the work, and closes them after it.
 * @throws ConfigError, StoreRefused, CommandError in one line
 */
export async function withJobs<T>(environment: Environment, work: (queue: BullQueue) => Promise<T>): Promise<T> {
  const url = environment.REDIS_URL ?? '';
  if (url === '') {
    throw new ConfigError(
      'REDIS_URL is not set, and only a cluster has its jobs there: a registry alone shows its own under /metrics',
    );
  }
  const address = parseRedisUrl(url);
  if (address === undefined) throw new ConfigError(`REDIS_URL cannot be used: ${REDIS_URL_FORMS} is expected`);
  const caFile = environment.REDIS_CA_FILE ?? '';
  const { reader, place } = await openStore(environment);
  const store = await readFormat(reader);
  if (store === undefined) throw new StoreRefused(`${place} is no store of Marina`);
  const queue = openJobQueue({
    store,
    connect: (use) => openJobConnection(address, use, caFile === '' ? {} : { caFile }),
    now: Date.now,
    sleep: (milliseconds, signal) => delay(milliseconds, undefined, { signal }).catch(() => {}),
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
