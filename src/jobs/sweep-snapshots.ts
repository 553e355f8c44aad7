import { SNAPSHOT_SLOTS } from '../journal/snapshot-due.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { CATALOG, repositoryOfMarker, slotKey, slotOfSnapshotKey, snapshotPrefix } from '../storage/paths.ts';
import type { JobQueue } from './queue.ts';

/** How many repositories are probed concurrently. */
const PROBE_CONCURRENCY = 8;

/**
 * Enqueues snapshots that a node could not enqueue because the queue was unavailable when the log reached 512 slots. Costs one
 * LIST and one HEAD per repository and no folding; the snapshot job checks the size of the slots.
 */
export async function sweepSnapshots(
  driver: StoreReader,
  enqueue: JobQueue['enqueue'],
  signal: AbortSignal,
): Promise<void> {
  let together: RepositoryName[] = [];
  const look = async (): Promise<void> => {
    signal.throwIfAborted();
    await Promise.all(together.map((repo) => enqueueIfDue(driver, repo, enqueue)));
    together = [];
  };
  for await (const { key } of driver.list(CATALOG)) {
    const repo = repositoryOfMarker(key);
    if (repo === undefined) continue;
    together.push(repo);
    if (together.length === PROBE_CONCURRENCY) await look();
  }
  await look();
}

async function enqueueIfDue(driver: StoreReader, repo: RepositoryName, enqueue: JobQueue['enqueue']): Promise<void> {
  const due = slotKey(repo, (await newestSnapshot(driver, repo)) + SNAPSHOT_SLOTS);
  if ((await driver.head(due)) === undefined) return;
  if (!(await enqueue({ kind: 'snapshot', repo })))
    throw new Error(`no job could be enqueued for the snapshot of ${repo}`);
}

/** The slot of the newest snapshot, 0 if there is none. */
async function newestSnapshot(driver: StoreReader, repo: RepositoryName): Promise<number> {
  for await (const { key } of driver.list(snapshotPrefix(repo))) return slotOfSnapshotKey(key) ?? 0;
  return 0;
}
