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
  /** Objects under data/ that were looked at, and those of them that are not garbage. */
  examined: amount,
  kept: amount,
  /** Blobs that were unlinked because no manifest refers to them. */
  unlinked: z.int(),
  /** Objects that an epoch named, and those of them that had been linked again. */
  condemned: z.int(),
  spared: z.int(),
  freed: amount,
  /** Garbage that is still there, because it is not worth an epoch yet or because a delete failed. */
  waiting: amount,
  /** For how long the oldest of that could have been deleted, in seconds. */
  oldestGarbageSeconds: z.number(),
  epochs: z.int(),
  failures: z.int(),
  /** Expired uploads that were ended, with the bytes staged for them; only where an operator asked for the run. */
  uploads: z.object({ sessions: z.int().nonnegative(), bytes: z.int().nonnegative() }).optional(),
  /** Why the run ended early, such as a log that cannot be folded. */
  failed: z.string().optional(),
  /** ULID of the wish of an operator that this run answers. */
  request: z.string().optional(),
});

/** What a collection did, for people and gauges. Nothing is decided by it. */
export type CollectionReport = z.infer<typeof schema>;

/**
 * Kept in the store, so that every node and command can see it. One that somebody asked for is kept beside the last one too: a
 * run by the clock may follow before that is looked at.
 */
export async function saveReport(driver: Pick<ObjectStore, 'put'>, report: CollectionReport): Promise<void> {
  const bytes = new TextEncoder().encode(`${JSON.stringify(report)}\n`);
  await driver.put(COLLECTION_REPORT, bytes);
  if (report.request !== undefined) await driver.put(COLLECTION_ANSWER, bytes);
}

/** undefined while nothing was ever collected. */
export function lastReport(driver: StoreReader): Promise<CollectionReport | undefined> {
  return reportAt(COLLECTION_REPORT, driver);
}

/** The last one that somebody asked for; undefined while nobody did. */
export function lastAnswer(driver: StoreReader): Promise<CollectionReport | undefined> {
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
