import type { RepositoryState } from '../journal/fold.ts';
import { encodeSnapshot } from '../journal/snapshot.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { StorageDriver } from '../storage/driver.ts';
import { snapshotKey } from '../storage/paths.ts';
import type { Job } from './runner.ts';

/** What lies behind the newest snapshot of a log. */
export interface LogTail {
  slots: number;
  bytes: number;
  snapshotBytes: number;
}

const SLOTS = 512;

/** "after 512 slots whose bytes are also a tenth of the last snapshot's": folding stays cheap, and so does writing. */
export function isSnapshotDue({ slots, bytes, snapshotBytes }: LogTail): boolean {
  return slots >= SLOTS && bytes * 10 >= snapshotBytes;
}

/** Writes the repository's state as a snapshot, where enough was appended since the last one. */
export function snapshotRepository(
  driver: StorageDriver,
  repo: RepositoryName,
  resident: () => Promise<{ readonly state: RepositoryState; tail: LogTail }>,
): Job {
  return {
    name: `snapshot ${repo}`,
    run: async () => {
      const { state, tail } = await resident();
      if (!isSnapshotDue(tail)) return;
      const { seq } = state;
      const before = { slots: tail.slots, bytes: tail.bytes };
      // The state is read to its end before the first wait, so that it is the one of `seq`.
      const bytes = await encodeSnapshot(repo, state);
      await driver.create(snapshotKey(repo, seq), bytes);
      tail.slots -= before.slots;
      tail.bytes -= before.bytes;
      tail.snapshotBytes = bytes.length;
    },
  };
}
