import { z } from 'zod';
import { COLLECTION_ANSWER, COLLECTION_REPORT } from '../storage/paths.ts';
import { StoredReports } from '../storage/stored-reports.ts';

const amount = z.object({ objects: z.int().nonnegative(), bytes: z.int().nonnegative() });

const schema = z.object({
  /** ULID of the run. */
  run: z.string(),
  /** Milliseconds. */
  startedAt: z.number(),
  finishedAt: z.number(),
  repositories: z.int(),
  /** Objects under data/ that were examined, and those that are not garbage. */
  examined: amount,
  kept: amount,
  /** Blobs that were unlinked because no manifest refers to them. */
  unlinked: z.int(),
  /** Objects condemned by an epoch, and those spared because they were linked again. */
  condemned: z.int(),
  spared: z.int(),
  freed: amount,
  /** Garbage that is left, because it was not worth an epoch yet or its delete failed. */
  waiting: amount,
  /** For how many seconds the oldest of that garbage has been past the grace period. */
  oldestGarbageSeconds: z.number(),
  epochs: z.int(),
  failures: z.int(),
  /** Expired uploads that were ended, with the bytes staged for them; only for a run that an operator requested. */
  uploads: z.object({ sessions: z.int().nonnegative(), bytes: z.int().nonnegative() }).optional(),
  /** Why the run ended early, such as a log that cannot be folded. */
  failed: z.string().optional(),
  /** ULID of the operator's request that this run answers. */
  request: z.string().optional(),
});

/** The result of a collection, for people and metrics. No decision depends on it. */
export type CollectionReport = z.infer<typeof schema>;

/** The report of a run that could not start. */
export function nothingCollected(run: string, now: number, failed: string): CollectionReport {
  const none = { objects: 0, bytes: 0 };
  return {
    run,
    startedAt: now,
    finishedAt: now,
    repositories: 0,
    examined: none,
    kept: none,
    unlinked: 0,
    condemned: 0,
    spared: 0,
    freed: none,
    waiting: none,
    oldestGarbageSeconds: 0,
    epochs: 0,
    failures: 0,
    failed,
  };
}

export const collectionReports = new StoredReports<CollectionReport>(
  { last: COLLECTION_REPORT, requested: COLLECTION_ANSWER },
  schema,
);
