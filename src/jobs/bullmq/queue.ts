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
  /** For asking; closed by the queue. */
  readonly connection: JobConnection;
  readonly policies: Readonly<Record<Kind, JobPolicy>>;
  /** Milliseconds. */
  readonly now: () => number;
  /** Returns early, without an error, when the signal says so. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Redis is away, or refused something; the queue goes on. */
  readonly onError: (error: unknown) => void;
  /** How long an answer of Redis is waited for, in milliseconds. */
  readonly answerWithin: number;
  /** How often the schedules are looked after, in milliseconds: after FLUSHALL they are gone without a word. */
  readonly keepSchedulesEvery: number;
}

/** So many requests without an answer are too many: Redis hangs. */
const MAX_UNANSWERED = 1000;
const DONE_KEPT = 100;
const EVENTS_KEPT = 1000;

/** The queues in Redis, one a kind, as those see them who ask for jobs and who look at them. */
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
    // The queues pass on what their connection meets, each of them: the same error is reported once.
    for (const queue of this.#queues.values()) {
      queue.on('error', (error) => {
        // A connection that is given up while it is still being made says so.
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

  /** The first run comes at once where nobody has scheduled it yet. Until Redis can be asked, it is tried again and again. */
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
      // A new job, so that nothing of its past counts: first it is queued, then the letter goes.
      await this.#add(job, keyOf(job), 0);
      await letter.remove();
      return true;
    });
  }

  async progress(job: Job): Promise<unknown> {
    const active = await this.#answer(() => this.#queue(job.kind).getActive());
    const own = active.find(({ opts }) => opts.deduplication?.id === keyOf(job)) ?? active[0];
    // The library's own value is a number, as long as nothing was told.
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
    if (queue === undefined) throw new Error(`no jobs are called ${kind}`);
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
        // Upserting one that is alive would add a run of its own. One that is overdue may have lost its next job.
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
      // Where no worker is there to move them, they stay here when their time has come.
      queue.getJobs('delayed', 0, 0, true),
    ]);
    const { wait = 0, active = 0, delayed: later = 0, failed = 0 } = counts;
    const ages = [...waiting, ...delayed].map((job) => this.#ports.now() - readyAt(job));
    return { kind, waiting: wait, active, delayed: later, failed, oldestSeconds: Math.max(0, ...ages) / 1000 };
  }

  /** What Redis answers, in time. @throws when it does not, or when too many wait for an answer already */
  async #answer<T>(ask: () => Promise<T>): Promise<T> {
    if (this.#stop.signal.aborted) throw new Error('the job queue is closed');
    if (this.#unanswered >= MAX_UNANSWERED) throw new Error('Redis does not answer: no more jobs are asked of it');
    this.#unanswered++;
    const answered = new AbortController();
    const late = async (): Promise<never> => {
      await this.#ports.sleep(this.#ports.answerWithin, answered.signal);
      throw new Error(`Redis did not answer within ${this.#ports.answerWithin} ms`);
    };
    const asked = ask();
    // Counted until it really ends, which may be after it was given up.
    void asked.catch(() => {}).finally(() => this.#unanswered--);
    try {
      return await Promise.race([asked, late()]);
    } finally {
      answered.abort();
    }
  }
}

/** Since when a job could run, in milliseconds, or when it can. */
function readyAt({ timestamp, opts, processedOn, delay }: BullJob): number {
  return Math.max(timestamp + (opts.delay ?? 0), processedOn === undefined ? 0 : processedOn + delay);
}

function letterOf(kind: Kind, job: BullJob): DeadLetter {
  const { id, data, attemptsMade, failedReason, finishedOn, timestamp } = job;
  const failedAt = finishedOn ?? timestamp;
  return { id: `${kind}:${id}`, kind, payload: data, attempts: attemptsMade, reason: failedReason ?? '', failedAt };
}
