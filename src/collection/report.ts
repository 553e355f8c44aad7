import { z } from 'zod';
import type { Key, ObjectStore, StoreReader } from '../storage/driver.ts';
import { COLLECTION_ANSWER, COLLECTION_REPORT } from '../storage/paths.ts';

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

/**
 * Stores the report, so that every node and command can read it. The report of a requested run is also stored separately, because a
 * scheduled run may replace it before it is read.
 */
export async function saveReport(driver: Pick<ObjectStore, 'put'>, report: CollectionReport): Promise<void> {
  await driver.put(COLLECTION_REPORT, encode(report));
  if (report.request !== undefined) await answerCollection(driver, report);
}

/** Answers the process that requested the run, without replacing the report of the last run. */
export async function answerCollection(driver: Pick<ObjectStore, 'put'>, report: CollectionReport): Promise<void> {
  await driver.put(COLLECTION_ANSWER, encode(report));
}

function encode(report: CollectionReport): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(report)}\n`);
}

/** @returns undefined before the first run */
export function lastReport(driver: StoreReader): Promise<CollectionReport | undefined> {
  return reportAt(COLLECTION_REPORT, driver);
}

/** The report of the last run that an operator requested; undefined if there was none. */
export function lastRequestedReport(driver: StoreReader): Promise<CollectionReport | undefined> {
  return reportAt(COLLECTION_ANSWER, driver);
}

async function reportAt(key: Key, driver: StoreReader): Promise<CollectionReport | undefined> {
  const bytes = await driver.read(key);
  if (bytes === undefined) return undefined;
  try {
    return schema.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data;
  } catch {
    return undefined;
  }
}
