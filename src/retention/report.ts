import { z } from 'zod';
import type { Key, ObjectStore, StoreReader } from '../storage/driver.ts';
import { RETENTION_ANSWER, RETENTION_REPORT } from '../storage/paths.ts';

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

/** Stores the report, so that every node and command can read it. The report of a requested run is also stored separately. */
export async function saveRetentionReport(driver: Pick<ObjectStore, 'put'>, report: RetentionReport): Promise<void> {
  await driver.put(RETENTION_REPORT, encode(report));
  if (report.request !== undefined) await answerRetention(driver, report);
}

/** Stores the report of a requested run for its requester only. */
export async function answerRetention(driver: Pick<ObjectStore, 'put'>, report: RetentionReport): Promise<void> {
  await driver.put(RETENTION_ANSWER, encode(report));
}

function encode(report: RetentionReport): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(report)}\n`);
}

/** @returns undefined before the first run */
export function lastRetentionReport(driver: StoreReader): Promise<RetentionReport | undefined> {
  return reportAt(RETENTION_REPORT, driver);
}

/** The report of the last requested run; undefined if there was none. */
export function lastRequestedRetention(driver: StoreReader): Promise<RetentionReport | undefined> {
  return reportAt(RETENTION_ANSWER, driver);
}

async function reportAt(key: Key, driver: StoreReader): Promise<RetentionReport | undefined> {
  const bytes = await driver.read(key);
  if (bytes === undefined) return undefined;
  try {
    return schema.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data;
  } catch {
    return undefined;
  }
}
