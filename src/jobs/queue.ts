import type { Job, Kind, PeriodicKind } from './job.ts';

export interface EnqueueOptions {
  /** By default `keyOf(job)`. */
  readonly key?: string;
  /** Milliseconds before it may run. */
  readonly delay?: number;
}

/**
 * Enqueues background work. Each job runs at least once, so handlers are idempotent. At most one job of a key waits at a time. A job
 * that is enqueued while one of the same key runs waits until that has ended.
 */
export interface JobQueue {
  /**
   * Never throws, and takes a bounded time, because the caller serves a request.
   * @returns whether a job of that key waits now; if not, the failure was reported
   */
  enqueue(job: Job, options?: EnqueueOptions): Promise<boolean>;
  /** Repeats a job until the queue is closed. A second call for a kind replaces the interval. @param every milliseconds */
  schedule(kind: PeriodicKind, every: number): Promise<void>;
  /** Accepts no more jobs, cancels the running ones, and waits for them for a bounded time. */
  close(): Promise<void>;
}

/** How many jobs of one kind are in each state. */
export interface JobCounts {
  readonly kind: Kind;
  readonly waiting: number;
  readonly active: number;
  /** Scheduled, or waiting to be retried. */
  readonly delayed: number;
  /** The dead letters. */
  readonly failed: number;
  /** How long the oldest job has been ready to run, in seconds; 0 if none is. */
  readonly oldestSeconds: number;
}

/** A job all of whose attempts failed. */
export interface DeadLetter {
  readonly id: string;
  readonly kind: Kind;
  /** As it was enqueued; not necessarily a valid job of this version. */
  readonly payload: unknown;
  readonly attempts: number;
  readonly reason: string;
  /** Milliseconds. */
  readonly failedAt: number;
}

/** The operator's view of the jobs. Each call fails if there is no answer by the deadline. */
export interface JobBoard {
  counts(): Promise<readonly JobCounts[]>;
  /** Newest first. */
  deadLetters(limit: number): Promise<readonly DeadLetter[]>;
  /** Enqueues a dead letter again, with all attempts; false if there is none with that id. */
  retry(id: string): Promise<boolean>;
  /** The latest progress report of this job; if it does not run, that of another running job of its kind. */
  progress(job: Job): Promise<unknown>;
}

export type Outcome = 'done' | 'failed' | 'stopped';

/** A finished attempt at a job. */
export interface JobRun {
  readonly kind: Kind;
  readonly key: string;
  readonly outcome: Outcome;
  readonly seconds: number;
  /** From 1. */
  readonly attempt: number;
  /** Why it failed. */
  readonly error?: unknown;
  /** It is not retried: it became a dead letter. */
  readonly isDead: boolean;
}

/** Reports a job's progress to its observers; may be called often. The report is stored as JSON. */
export type ReportProgress = (progress: object) => void;

/** Runs one job. Throws if it failed; if it was cancelled, it throws the signal's reason. */
export type RunJob = (job: Job, signal: AbortSignal, report?: ReportProgress) => Promise<void>;

export interface JobPolicy {
  /** How many run concurrently in one process. */
  readonly concurrency: number;
  readonly attempts: number;
  /** Milliseconds before the second attempt; doubled before each further one. */
  readonly backoff: number;
}

/** For jobs that hold a whole repository in memory or scan the whole store, which run one at a time. */
const ALONE: JobPolicy = { concurrency: 1, attempts: 6, backoff: 5_000 };

export const POLICIES: Readonly<Record<Kind, JobPolicy>> = {
  snapshot: ALONE,
  'sweep-snapshots': ALONE,
  'sweep-notes': ALONE,
  'expire-uploads': ALONE,
  'reap-multiparts': ALONE,
  collect: ALONE,
  retain: ALONE,
};

/** Dead letters kept of each kind; the oldest are dropped first. */
export const DEAD_LETTERS_KEPT = 1000;

export function backoffBefore(attempt: number, { backoff }: JobPolicy): number {
  return backoff * 2 ** (attempt - 2);
}
