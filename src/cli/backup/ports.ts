import type { BackupDesk } from '../../backup/desk.ts';
import type { HoldPorts } from '../../backup/held-cut.ts';
import type { BackupPace } from '../../backup/pace.ts';
import type { Config } from '../../config.ts';
import type { Archive } from '../../storage/archive.ts';
import type { ExitCode } from '../failure.ts';
import type { OpenStore } from '../open-store.ts';
import type { Output } from '../output.ts';

export interface BackupPorts extends Pick<HoldPorts, 'newId' | 'sleep'> {
  /** Of Marina. */
  readonly version: string;
  readonly run: (work: (store: OpenStore, output: Output, config: Config) => Promise<ExitCode>) => Promise<void>;
  readonly runWithConfig: (work: (output: Output, config: Config) => Promise<ExitCode>) => Promise<void>;
  readonly openArchive: (text: string, config: Config, access: 'read' | 'write' | 'beside') => Promise<Archive>;
  readonly openBackupDesk: (config: Config, place: string) => Promise<BackupDesk>;
  /** @param requests as in `BackupDesk` */
  readonly pace: (requests: BackupDesk['requests']) => BackupPace;
  /** Recorded in the hold. */
  readonly operator: string;
}

export interface CreateOptions extends NameOption {
  readonly fullSpeed?: true;
}

export interface NameOption {
  readonly name?: string;
  readonly json?: true;
}
