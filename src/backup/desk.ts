import type { HoldPorts } from './held-cut.ts';
import type { RunReport } from './run-reports.ts';

/** What a backup writes to the store that it reads. */
export interface BackupDesk extends Pick<HoldPorts, 'hold' | 'release'> {
  /** Nothing is stored while the store is read-only. @throws errors of the store, or of the server that has it */
  readonly report: (report: RunReport) => Promise<void>;
  /** The requests of clients since the start of the server that has the store; undefined if none has it, or it does not say. */
  readonly requests: () => Promise<number | undefined>;
  readonly close: () => Promise<void>;
}
