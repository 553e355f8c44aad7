import type { Job, Kind, PeriodicKind } from './job.ts';

export interface EnqueueOptions {
  /** By default `keyOf(job)`. */
  readonly key?: string;
  /** Milliseconds until it may run. */
  readonly delay?: number;
}

/**
 * Where background work is asked for. Each job runs at least once, perhaps more often: handlers are idempotent. At most one job
 * of a key waits at a time; one that is asked for while another of its key runs waits until that ended.
 */
export interface JobQueue {
  /**
   * Never throws, and takes a bounded time: whoever asks has other things to do.
   * @returns whether a job of that key waits now; false was reported already
   */
  enqueue(job: Job, options?: EnqueueOptions): Promise<boolean>;
  /** Repeats a job until the queue is closed. Again for the same kind: with the new interval. @param every milliseconds */
  schedule(kind: PeriodicKind, every: number): Promise<void>;
  /** Takes no more work, tells what runs here to stop, and waits for it, bounded. */
  close(): Promise<void>;
}

/** How the jobs of one kind stand. */
export interface JobCounts {
  readonly kind: Kind;
  readonly waiting: number;
  readonly active: number;
  /** Waiting for their time: scheduled, or to be tried again. */
  readonly delayed: number;
  /** The dead letters. */
  readonly failed: number;
  /** For how long the oldest one could have run and did not, in seconds; 0 when there is none. */
  readonly oldestSeconds: number;
}

/** A job that failed at each of its attempts. */
export interface DeadLetter {
  readonly id: string;
  readonly kind: Kind;
  /** As it was queued; not necessarily a job of this version. */
  readonly payload: unknown;
  readonly attempts: number;
  readonly reason: string;
  /** Milliseconds. */
  readonly failedAt: number;
}

/** The operator's view of the jobs. Each call fails when there is no answer in time. */
export interface JobBoard {
  counts(): Promise<readonly JobCounts[]>;
  /** The newest first. */
  deadLetters(limit: number): Promise<readonly DeadLetter[]>;
  /** Runs a dead letter again, with all of its attempts; false when there is none of that id. */
  retry(id: string): Promise<boolean>;
  /** What this job told last of how far it is. While it does not run: what another one of its kind told, that does. */
  progress(job: Job): Promise<unknown>;
}

export type Outcome = 'done' | 'failed' | 'stopped';

/** One attempt at a job, when it ended. */
export interface JobRun {
  readonly kind: Kind;
  readonly key: string;
  readonly outcome: Outcome;
  readonly seconds: number;
  /** Counted from 1. */
  readonly attempt: number;
  /** Why it failed. */
  readonly error?: unknown;
  /** It will not be tried again: it is a dead letter now. */
  readonly isDead: boolean;
}

/** Tells whoever follows a job how far it is; may be called often. It survives as JSON. */
export type ReportProgress = (progress: object) => void;

/** What a runner does with each job. It throws when the job was not done; told to stop, it throws the signal's reason. */
export type RunJob = (job: Job, signal: AbortSignal, tell?: ReportProgress) => Promise<void>;

export interface JobPolicy {
  /** How many run at once in one process. */
  readonly concurrency: number;
  readonly attempts: number;
  /** Milliseconds before the second attempt; twice as long before each further one. */
  readonly backoff: number;
}

/** Who holds a whole repository in memory runs alone; what walks over everything does too. */
const ALONE: JobPolicy = { concurrency: 1, attempts: 6, backoff: 5_000 };

export const POLICIES: Readonly<Record<Kind, JobPolicy>> = {
  snapshot: ALONE,
  'sweep-snapshots': ALONE,
  'expire-uploads': ALONE,
  'reap-multiparts': ALONE,
  collect: ALONE,
  retain: ALONE,
};

/** Dead letters that are kept of each kind; the oldest ones go first. */
export const DEAD_LETTERS_KEPT = 1000;

export function backoffBefore(attempt: number, { backoff }: JobPolicy): number {
  return backoff * 2 ** (attempt - 2);
}
