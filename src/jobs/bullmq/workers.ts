import { type Job as BullJob, UnrecoverableError, WaitingError, Worker } from 'bullmq';
import { type Kind, keyOf, parseJob } from '../job.ts';
import type { JobPolicy, JobRun, Outcome, RunJob } from '../queue.ts';
import { type JobConnection, prefixOf } from './connection.ts';
import { ErrorThrottle } from './error-throttle.ts';
import { ProgressWriter } from './progress-writer.ts';

export interface BullWorkersPorts {
  /** The store's ULID. */
  readonly store: string;
  /** A `work` connection; the workers close it. */
  readonly connection: JobConnection;
  readonly run: RunJob;
  readonly policies: Readonly<Record<Kind, JobPolicy>>;
  /** Milliseconds. */
  readonly now: () => number;
  /** Resolves early, without an error, when the signal is aborted. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** An attempt ended. */
  readonly ended: (run: JobRun) => void;
  /** Redis is unavailable or refused a command; the workers keep trying. */
  readonly onError: (error: unknown) => void;
  /** A job whose worker has not renewed its lock for this long (milliseconds) goes to another worker. */
  readonly lostAfter: number;
  /** How long `close` waits for running jobs, in milliseconds. */
  readonly closeWithin: number;
}

/** BullMQ always passes a signal to a processor that takes one, although its types say that it may be undefined. */
const NEVER = new AbortController().signal;

/** Runs the jobs of some kinds from the queues in Redis. */
export class BullWorkers {
  readonly #ports: BullWorkersPorts;
  readonly #errors: ErrorThrottle;
  readonly #workers: readonly Worker[];
  #isClosing = false;

  constructor(kinds: readonly Kind[], ports: BullWorkersPorts) {
    this.#ports = ports;
    this.#errors = new ErrorThrottle(ports.onError, ports.now);
    this.#workers = kinds.map((kind) => this.#open(kind));
  }

  /** Fetches no more jobs, cancels the running ones, and returns those that do not end in time to the queue. */
  async close(): Promise<void> {
    this.#isClosing = true;
    const closing = this.#workers.map((worker) => worker.close());
    for (const worker of this.#workers) worker.cancelAllJobs('the worker is stopping');
    const ended = new AbortController();
    const settled = Promise.all(closing).finally(() => ended.abort());
    await Promise.race([settled, this.#ports.sleep(this.#ports.closeWithin, ended.signal)]);
    // The locks of jobs that are still running expire, and another worker starts them again.
    this.#ports.connection.disconnect();
  }

  #open(kind: Kind): Worker {
    const { store, connection, policies, lostAfter } = this.#ports;
    const { concurrency, attempts } = policies[kind];
    const worker: Worker = new Worker(kind, (job, token, signal) => this.#attempt(kind, job, token, signal ?? NEVER), {
      connection,
      prefix: prefixOf(store),
      concurrency,
      lockDuration: lostAfter,
      stalledInterval: lostAfter,
      // A job that crashes its worker each time must become a dead letter, too.
      maxStalledCount: attempts,
    });
    worker.on('error', (error) => {
      // Closing a connection that is still being established emits an error.
      if (!this.#isClosing) this.#errors.report(error);
    });
    // Another worker has the job, or will soon.
    worker.on('lockRenewalFailed', (ids) => {
      for (const id of ids) worker.cancelJob(id, 'its lock was lost');
    });
    worker.on('failed', (job, error) => {
      if (job?.deferredFailure !== undefined) this.#ended(kind, job, 'failed', 0, error);
    });
    return worker;
  }

  async #attempt(kind: Kind, bull: BullJob, token: string | undefined, signal: AbortSignal): Promise<void> {
    const begun = this.#ports.now();
    const seconds = (): number => (this.#ports.now() - begun) / 1000;
    const progress = new ProgressWriter(bull, { sleep: this.#ports.sleep, onError: this.#errors.report });
    try {
      const job = parseJob(kind, bull.data);
      if (job === undefined) throw new UnrecoverableError('this version does not know this job');
      await this.#ports.run(job, signal, progress.report);
    } catch (error) {
      const isStopped = signal.aborted;
      this.#ended(kind, bull, isStopped ? 'stopped' : 'failed', seconds(), error);
      if (!isStopped || !this.#isClosing) throw error;
      // Back to the queue unchanged: a cancelled attempt does not count as failed.
      await bull.moveToWait(token);
      throw new WaitingError();
    } finally {
      progress.end();
    }
    this.#ended(kind, bull, 'done', seconds());
  }

  #ended(kind: Kind, bull: BullJob, outcome: Outcome, seconds: number, error?: unknown): void {
    const job = parseJob(kind, bull.data);
    const attempt = bull.attemptsMade + 1;
    const { attempts = 1 } = bull.opts;
    const isDead = outcome === 'failed' && (attempt >= attempts || error instanceof UnrecoverableError);
    const key = job === undefined ? kind : keyOf(job);
    this.#ports.ended({ kind, key, outcome, seconds, attempt, isDead, ...(outcome === 'failed' ? { error } : {}) });
  }
}
