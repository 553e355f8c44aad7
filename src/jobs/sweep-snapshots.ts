import type { RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { CATALOG, repositoryOfMarker, slotKey, slotOfSnapshotKey, snapshotPrefix } from '../storage/paths.ts';
import type { JobQueue } from './queue.ts';
import { SNAPSHOT_SLOTS } from './snapshot.ts';

/** How many repositories are looked at together. */
const PROBE_CONCURRENCY = 8;

/**
 * Asks for the snapshots that a node could not ask for because the queue was away when a log reached its 512 slots. Costs a
 * listing and a head a repository, and no folding; whether its bytes are enough the snapshot job finds out.
 */
export async function sweepSnapshots(
  driver: StoreReader,
  enqueue: JobQueue['enqueue'],
  signal: AbortSignal,
): Promise<void> {
  let together: RepositoryName[] = [];
  const look = async (): Promise<void> => {
    signal.throwIfAborted();
    await Promise.all(together.map((repo) => lookAt(driver, repo, enqueue)));
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

async function lookAt(driver: StoreReader, repo: RepositoryName, enqueue: JobQueue['enqueue']): Promise<void> {
  const due = slotKey(repo, (await newestSnapshot(driver, repo)) + SNAPSHOT_SLOTS);
  if ((await driver.head(due)) === undefined) return;
  if (!(await enqueue({ kind: 'snapshot', repo })))
    throw new Error(`no job could be queued for the snapshot of ${repo}`);
}

/** The slot of the newest snapshot, 0 when there is none. */
async function newestSnapshot(driver: StoreReader, repo: RepositoryName): Promise<number> {
  for await (const { key } of driver.list(snapshotPrefix(repo))) return slotOfSnapshotKey(key) ?? 0;
  return 0;
}
