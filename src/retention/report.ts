import { z } from 'zod';
import { RETENTION_ANSWER, RETENTION_REPORT } from '../storage/paths.ts';
import { StoredReports } from '../storage/stored-reports.ts';

const schema = z.object({
  /** Milliseconds. */
  startedAt: z.number(),
  finishedAt: z.number(),
  /** Repositories with a rule that deletes. */
  repositories: z.int(),
  /** Deleted tags and manifests. */
  tags: z.int(),
  manifests: z.int(),
  /** Bytes of the deleted manifests and of the blobs that only they referred to. Garbage collection frees them later. */
  bytes: z.int(),
  /** Repositories that could not be processed, and the first failure. */
  failures: z.int(),
  failed: z.string().optional(),
  /** ULID of the operator's request that this run answers. */
  request: z.string().optional(),
});

/** The result of a run, for people and metrics. No decision depends on it. */
export type RetentionReport = z.infer<typeof schema>;

/** The report of a run that could not start. */
export function nothingRetained(now: number, failed: string): RetentionReport {
  return { startedAt: now, finishedAt: now, repositories: 0, tags: 0, manifests: 0, bytes: 0, failures: 1, failed };
}

export const retentionReports = new StoredReports<RetentionReport>(
  { last: RETENTION_REPORT, requested: RETENTION_ANSWER },
  schema,
);
