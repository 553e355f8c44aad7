import type { RepositoryState } from '../journal/fold.ts';
import { foldLog } from '../journal/log.ts';
import { encodeSnapshot } from '../journal/snapshot.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { ObjectStore, StoreReader } from '../storage/driver.ts';
import { snapshotKey } from '../storage/paths.ts';

/** The slots after the newest snapshot of a log. */
export interface LogTail {
  slots: number;
  bytes: number;
  snapshotBytes: number;
}

/** A repository's state, of which a snapshot can be made. */
export interface FoldedLog {
  readonly state: RepositoryState;
  /** Reset when a snapshot was written. */
  readonly tail: LogTail;
}

export const SNAPSHOT_SLOTS = 512;

/** Due after 512 slots with at least a tenth of the last snapshot's bytes, which bounds the cost of folding and of snapshots. */
export function isSnapshotDue({ slots, bytes, snapshotBytes }: LogTail): boolean {
  return slots >= SNAPSHOT_SLOTS && bytes * 10 >= snapshotBytes;
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
