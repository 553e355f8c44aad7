import { type Job as BullJob, type JobsOptions, Queue } from 'bullmq';
import { type Job, KINDS, type Kind, keyOf, type PeriodicKind, parseJob, parseKind } from '../job.ts';
import {
  DEAD_LETTERS_KEPT,
  type DeadLetter,
  type EnqueueOptions,
  type JobBoard,
  type JobCounts,
  type JobPolicy,
  type JobQueue,
} from '../queue.ts';
import { type JobConnection, prefixOf } from './connection.ts';
import { ErrorThrottle } from './error-throttle.ts';

export interface BullQueuePorts {
  /** The store's ULID. */
  readonly store: string;
  /** An `ask` connection; the queue closes it. */
  readonly connection: JobConnection;
  readonly policies: Readonly<Record<Kind, JobPolicy>>;
  /** Milliseconds. */
  readonly now: () => number;
  /** Resolves early, without an error, when the signal is aborted. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Redis is unavailable or refused a command; the queue keeps trying. */
  readonly onError: (error: unknown) => void;
  /** Deadline for an answer from Redis, in milliseconds. */
  readonly answerWithin: number;
  /** How often the schedules are checked, in milliseconds: FLUSHALL removes them silently. */
  readonly keepSchedulesEvery: number;
}

/** With this many requests pending, Redis is considered hung. */
const MAX_UNANSWERED = 1000;
const DONE_KEPT = 100;
const EVENTS_KEPT = 1000;

/** The queues in Redis, one for each kind of job: enqueueing and inspection, without running jobs. */
export class BullQueue implements JobQueue, JobBoard {
  readonly #ports: BullQueuePorts;
  readonly #queues: ReadonlyMap<Kind, Queue>;
  readonly #schedules = new Map<PeriodicKind, number>();
  readonly #stop = new AbortController();
  readonly #errors: ErrorThrottle;
  #keeping: Promise<void> | undefined;
  #unanswered = 0;

  constructor(ports: BullQueuePorts) {
    this.#ports = ports;
    this.#errors = new ErrorThrottle(ports.onError, ports.now);
    const { connection, store } = ports;
    const options = { connection, prefix: prefixOf(store), streams: { events: { maxLen: EVENTS_KEPT } } };
    this.#queues = new Map(KINDS.map((kind) => [kind, new Queue(kind, options)]));
    // Every queue emits the errors of the shared connection, so the throttle reports each of them once.
    for (const queue of this.#queues.values()) {
      queue.on('error', (error) => {
        // Closing a connection that is still being established emits an error.
        if (!this.#stop.signal.aborted) this.#errors.report(error);
      });
    }
  }

  async enqueue(job: Job, { key = keyOf(job), delay = 0 }: EnqueueOptions = {}): Promise<boolean> {
    try {
      await this.#answer(() => this.#add(job, key, delay));
      return true;
    } catch (error) {
      this.#errors.report(error);
      return false;
    }
  }

  /** If the kind is not scheduled yet, its first run is immediate. Retried until Redis is available. */
  async schedule(kind: PeriodicKind, every: number): Promise<void> {
    this.#schedules.set(kind, every);
    await this.#keepSchedule(kind, every);
    this.#keeping ??= this.#keepSchedules();
  }

  async counts(): Promise<readonly JobCounts[]> {
    return await this.#answer(() => Promise.all([...this.#queues].map(([kind, queue]) => this.#countsOf(kind, queue))));
  }

  async deadLetters(limit: number): Promise<readonly DeadLetter[]> {
    const found = await this.#answer(() =>
      Promise.all(
        [...this.#queues].map(async ([kind, queue]) => ({ kind, jobs: await queue.getFailed(0, limit - 1) })),
      ),
    );
    return found
      .flatMap(({ kind, jobs }) => jobs.map((job) => letterOf(kind, job)))
      .sort((one, other) => other.failedAt - one.failedAt)
      .slice(0, limit);
  }

  async retry(id: string): Promise<boolean> {
    const kind = parseKind(id.slice(0, id.indexOf(':')));
    if (kind === undefined) return false;
    return await this.#answer(async () => {
      const letter = await this.#queue(kind).getJob(id.slice(kind.length + 1));
      if (letter === undefined || !(await letter.isFailed())) return false;
      const job = parseJob(kind, letter.data);
      if (job === undefined) return false;
      // A new job with all attempts left. Enqueued before the dead letter is removed, so that a crash loses neither.
      await this.#add(job, keyOf(job), 0);
      await letter.remove();
      return true;
    });
  }

  async progress(job: Job): Promise<unknown> {
    const active = await this.#answer(() => this.#queue(job.kind).getActive());
    const own = active.find(({ opts }) => opts.deduplication?.id === keyOf(job)) ?? active[0];
    // Without a report BullMQ returns a number.
    return typeof own?.progress === 'object' ? own.progress : undefined;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#keeping;
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
    this.#ports.connection.disconnect();
  }

  #queue(kind: Kind): Queue {
    const queue = this.#queues.get(kind);
    if (queue === undefined) throw new Error(`there is no queue for ${kind}`);
    return queue;
  }

  async #add(job: Job, key: string, delay: number): Promise<void> {
    const deduplication = { id: key, keepLastIfActive: true };
    await this.#queue(job.kind).add(job.kind, job, { ...this.#options(job.kind), deduplication, delay });
  }

  #options(kind: Kind): JobsOptions {
    const { attempts, backoff } = this.#ports.policies[kind];
    return {
      attempts,
      backoff: { type: 'exponential', delay: backoff },
      removeOnComplete: { count: DONE_KEPT },
      removeOnFail: { count: DEAD_LETTERS_KEPT },
    };
  }

  async #keepSchedules(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#ports.sleep(this.#ports.keepSchedulesEvery, signal);
      for (const [kind, every] of this.#schedules) if (!signal.aborted) await this.#keepSchedule(kind, every);
    }
  }

  async #keepSchedule(kind: PeriodicKind, every: number): Promise<void> {
    try {
      await this.#answer(async () => {
        const queue = this.#queue(kind);
        const known = await queue.getJobScheduler(kind);
        // Upserting a live schedule would add an extra run. An overdue one may have lost its next job.
        const isAlive = known?.every === every && (known.next ?? 0) + every > this.#ports.now();
        if (isAlive) return;
        await queue.upsertJobScheduler(kind, { every }, { name: kind, data: { kind }, opts: this.#options(kind) });
      });
    } catch (error) {
      this.#errors.report(error);
    }
  }

  async #countsOf(kind: Kind, queue: Queue): Promise<JobCounts> {
    const [counts, waiting, delayed] = await Promise.all([
      queue.getJobCounts('wait', 'active', 'delayed', 'failed'),
      queue.getJobs('wait', 0, 0, true),
      // Without a worker to promote them, jobs stay delayed after their time has come.
      queue.getJobs('delayed', 0, 0, true),
    ]);
    const { wait = 0, active = 0, delayed: later = 0, failed = 0 } = counts;
    const ages = [...waiting, ...delayed].map((job) => this.#ports.now() - readyAt(job));
    return { kind, waiting: wait, active, delayed: later, failed, oldestSeconds: Math.max(0, ...ages) / 1000 };
  }

  /** @throws when Redis does not answer by the deadline, or when too many requests are pending */
  async #answer<T>(ask: () => Promise<T>): Promise<T> {
    if (this.#stop.signal.aborted) throw new Error('the job queue is closed');
    if (this.#unanswered >= MAX_UNANSWERED) throw new Error('Redis does not answer: too many requests are pending');
    this.#unanswered++;
    const answered = new AbortController();
    const late = async (): Promise<never> => {
      await this.#ports.sleep(this.#ports.answerWithin, answered.signal);
      throw new Error(`Redis did not answer within ${this.#ports.answerWithin} ms`);
    };
    const reply = ask();
    // It counts as pending until it settles, which may be after the deadline.
    void reply.catch(ignoreRaced).finally(() => this.#unanswered--);
    try {
      return await Promise.race([reply, late()]);
    } finally {
      answered.abort();
    }
  }
}

/** Promise.race passes a failure to the caller. After the deadline the caller already has that error instead. */
function ignoreRaced(): void {}

/** When a job became or becomes ready to run, in milliseconds. */
function readyAt({ timestamp, opts, processedOn, delay }: BullJob): number {
  return Math.max(timestamp + (opts.delay ?? 0), processedOn === undefined ? 0 : processedOn + delay);
}

function letterOf(kind: Kind, job: BullJob): DeadLetter {
  const { id, data, attemptsMade, failedReason, finishedOn, timestamp } = job;
  const failedAt = finishedOn ?? timestamp;
  return { id: `${kind}:${id}`, kind, payload: data, attempts: attemptsMade, reason: failedReason ?? '', failedAt };
}
