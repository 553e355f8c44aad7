/** The slots after the newest snapshot of a log. */
export interface LogTail {
  slots: number;
  bytes: number;
  snapshotBytes: number;
}

export const SNAPSHOT_SLOTS = 512;

/** Due after 512 slots with at least a tenth of the last snapshot's bytes, which bounds the cost of folding and of snapshots. */
export function isSnapshotDue({ slots, bytes, snapshotBytes }: LogTail): boolean {
  return slots >= SNAPSHOT_SLOTS && bytes * 10 >= snapshotBytes;
}
