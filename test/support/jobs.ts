// Queues and workers with short delays, on a Redis of the test.
import { setTimeout as delay } from 'node:timers/promises';
import { type JobConnection, type JobConnectionUse, openJobConnection } from '../../src/jobs/bullmq/connection.ts';
import { BullQueue, type BullQueuePorts } from '../../src/jobs/bullmq/queue.ts';
import { BullWorkers, type BullWorkersPorts } from '../../src/jobs/bullmq/workers.ts';
import { KINDS, type Kind } from '../../src/jobs/job.ts';
import type { JobPolicy } from '../../src/jobs/queue.ts';
import { parseRedisUrl } from '../../src/projection/redis/address.ts';

/** Two at once, three attempts with short delays. */
export const QUICK: JobPolicy = { concurrency: 2, attempts: 3, backoff: 100 };
export const QUICK_POLICIES: Readonly<Record<Kind, JobPolicy>> = {
  snapshot: QUICK,
  'sweep-snapshots': QUICK,
  'sweep-notes': QUICK,
  'expire-uploads': QUICK,
  'reap-multiparts': QUICK,
  collect: QUICK,
  retain: QUICK,
};

/** A real sleep that the signal ends early. */
export async function sleepUntil(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

export function jobConnection(url: string, use: JobConnectionUse): JobConnection {
  const address = parseRedisUrl(url);
  if (address === undefined) throw new Error(`${url} is not a valid REDIS_URL`);
  return openJobConnection(address, use);
}

/** A queue on a Redis that always answers, if only after seconds on a busy machine. Errors are collected in `troubles`. */
export function openBullQueue(url: string, store: string, ports: Partial<BullQueuePorts> = {}) {
  const troubles: unknown[] = [];
  const queue = new BullQueue({
    store,
    connection: jobConnection(url, 'ask'),
    policies: QUICK_POLICIES,
    now: Date.now,
    sleep: sleepUntil,
    onError: (error) => troubles.push(error),
    answerWithin: 10_000,
    keepSchedulesEvery: 200,
    ...ports,
  });
  return { queue, troubles };
}

export function openBullWorkers(
  url: string,
  store: string,
  ports: Pick<BullWorkersPorts, 'run'> & Partial<BullWorkersPorts>,
): BullWorkers {
  return new BullWorkers(KINDS, {
    store,
    connection: jobConnection(url, 'work'),
    policies: QUICK_POLICIES,
    now: Date.now,
    sleep: sleepUntil,
    ended: () => {},
    onError: () => {},
    // A busy machine may stop a worker that lives for seconds.
    lostAfter: 20_000,
    closeWithin: 1_000,
    ...ports,
  });
}
