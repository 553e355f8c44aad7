import type { RepositoryState } from '../journal/fold.ts';
import { foldLog } from '../journal/log.ts';
import { encodeSnapshot } from '../journal/snapshot.ts';
import { isSnapshotDue, type LogTail } from '../journal/snapshot-due.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { ObjectStore, StoreReader } from '../storage/driver.ts';
import { snapshotKey } from '../storage/paths.ts';

/** A repository's state, of which a snapshot can be made. */
export interface FoldedLog {
  readonly state: RepositoryState;
  /** Reset when a snapshot was written. */
  readonly tail: LogTail;
}

/** Folds a repository for one snapshot if no process has it in memory; the state is dropped afterwards. */
export async function foldForSnapshot(driver: StoreReader, repo: RepositoryName): Promise<FoldedLog> {
  const { state, slots, bytes, snapshotBytes } = await foldLog(driver, repo);
  return { state, tail: { slots, bytes, snapshotBytes } };
}

/** Writes a snapshot of the repository, if enough was appended since the last one. */
export async function writeSnapshot(
  driver: Pick<ObjectStore, 'create'>,
  repo: RepositoryName,
  folded: FoldedLog,
): Promise<void> {
  const { state, tail } = folded;
  if (!isSnapshotDue(tail)) return;
  const { seq } = state;
  const before = { slots: tail.slots, bytes: tail.bytes };
  // The state is encoded before the first await, so that it is the state at `seq`.
  const bytes = await encodeSnapshot(repo, state);
  // `taken`: another worker wrote the same bytes first.
  await driver.create(snapshotKey(repo, seq), bytes);
  tail.slots -= before.slots;
  tail.bytes -= before.bytes;
  tail.snapshotBytes = bytes.length;
}
