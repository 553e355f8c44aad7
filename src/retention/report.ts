import { z } from 'zod';
import type { Key, ObjectStore, StoreReader } from '../storage/driver.ts';
import { RETENTION_ANSWER, RETENTION_REPORT } from '../storage/paths.ts';

const schema = z.object({
  /** Milliseconds. */
  startedAt: z.number(),
  finishedAt: z.number(),
  /** Repositories that a rule lets something go of. */
  repositories: z.int(),
  /** What was deleted. */
  tags: z.int(),
  manifests: z.int(),
  /** Of those manifests, and of the blobs that only they referred to: collected later. */
  bytes: z.int(),
  /** Repositories that could not be looked through to the end, and why the first one could not. */
  failures: z.int(),
  failed: z.string().optional(),
  /** ULID of the wish of an operator that this run answers. */
  request: z.string().optional(),
});

/** What a run of retention did, for people and gauges. Nothing is decided by it. */
export type RetentionReport = z.infer<typeof schema>;

/** A run that was not let do anything. */
export function nothingRetained(now: number, failed: string): RetentionReport {
  return { startedAt: now, finishedAt: now, repositories: 0, tags: 0, manifests: 0, bytes: 0, failures: 1, failed };
}

/** Kept in the store, so that every node and command can see it; one that somebody asked for beside the last one, too. */
export async function saveRetentionReport(driver: Pick<ObjectStore, 'put'>, report: RetentionReport): Promise<void> {
  await driver.put(RETENTION_REPORT, encode(report));
  if (report.request !== undefined) await answerRetention(driver, report);
}

/** For whoever asked for it alone. */
export async function answerRetention(driver: Pick<ObjectStore, 'put'>, report: RetentionReport): Promise<void> {
  await driver.put(RETENTION_ANSWER, encode(report));
}

function encode(report: RetentionReport): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(report)}\n`);
}

/** undefined while there was no run. */
export function lastRetentionReport(driver: StoreReader): Promise<RetentionReport | undefined> {
  return reportAt(RETENTION_REPORT, driver);
}

/** The last one that somebody asked for; undefined while nobody did. */
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
