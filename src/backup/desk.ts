import type { HoldPorts } from './held-cut.ts';
import type { RunReport } from './run-reports.ts';

/** What a backup writes to the store that it reads. */
export interface BackupDesk extends Pick<HoldPorts, 'hold' | 'release'> {
  /** Nothing is stored while the store is read-only. @throws errors of the store, or of the server that has it */
  readonly report: (report: RunReport) => Promise<void>;
  readonly close: () => Promise<void>;
}
