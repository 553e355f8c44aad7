import { handleWith, type JobPorts } from '../handlers.ts';
import type { Kind, PeriodicKind } from '../job.ts';
import { type JobPolicy, type JobRun, POLICIES } from '../queue.ts';
import { SCHEDULES, type Schedules } from '../schedules.ts';
import type { JobConnection, JobConnectionUse } from './connection.ts';
import { BullQueue, type BullQueuePorts } from './queue.ts';
import { BullWorkers } from './workers.ts';

/** Deadline for an answer from Redis when a job is enqueued. */
const ANSWER_WITHIN_MS = 2_000;
const KEEP_SCHEDULES_EVERY_MS = 30_000;
const LOST_AFTER_MS = 30_000;

export interface JobQueuePorts extends Pick<BullQueuePorts, 'store' | 'now' | 'sleep' | 'onError'> {
  /** Each call opens a new connection. */
  readonly connect: (use: JobConnectionUse) => JobConnection;
  readonly policies?: Readonly<Record<Kind, JobPolicy>>;
}

export interface WorkersPorts extends Omit<JobPorts, 'enqueue' | 'now'>, JobQueuePorts {
  /** An attempt ended. */
  readonly ended: (run: JobRun) => void;
  /** Intervals of periodic jobs that differ from the defaults, in milliseconds. */
  readonly schedules?: Partial<Schedules>;
  /** How long `close` waits for running jobs, in milliseconds. */
  readonly closeWithin: number;
}

/** The queues, for a process that only enqueues jobs. */
export function openJobQueue({ connect, policies = POLICIES, ...ports }: JobQueuePorts): BullQueue {
  return new BullQueue({
    ...ports,
    policies,
    connection: connect('ask'),
    answerWithin: ANSWER_WITHIN_MS,
    keepSchedulesEvery: KEEP_SCHEDULES_EVERY_MS,
  });
}

/** Runs the jobs of these kinds, and schedules those that are periodic. */
export async function startWorkers(kinds: readonly Kind[], ports: WorkersPorts): Promise<{ close(): Promise<void> }> {
  const { store, connect, policies = POLICIES, now, sleep, ended, onError, closeWithin, schedules, ...handled } = ports;
  const queue = openJobQueue({ store, connect, policies, now, sleep, onError });
  const run = handleWith({ ...handled, now, enqueue: (job, options) => queue.enqueue(job, options) });
  const workers = new BullWorkers(kinds, {
    ...{ store, policies, now, sleep, ended, onError, closeWithin, run },
    connection: connect('work'),
    lostAfter: LOST_AFTER_MS,
  });
  for (const kind of kinds) if (isPeriodic(kind)) await queue.schedule(kind, schedules?.[kind] ?? SCHEDULES[kind]);
  return {
    close: async () => {
      await workers.close();
      await queue.close();
    },
  };
}

function isPeriodic(kind: Kind): kind is PeriodicKind {
  return Object.hasOwn(SCHEDULES, kind);
}
