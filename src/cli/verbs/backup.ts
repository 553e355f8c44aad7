import type { Command } from 'commander';
import packageJson from '../../../package.json' with { type: 'json' };
import { openArchive, openBackupDesk } from '../../wiring/backup.ts';
import { idFactory, operatorLabel, sleep } from '../../wiring/basics.ts';
import { paceForBackup } from '../../wiring/pace.ts';
import { addBackupCommands } from '../backup/commands.ts';
import { run, runWithConfig } from './run.ts';

export function addVerbs(marina: Command): void {
  addBackupCommands(marina, {
    ...{ run, runWithConfig, openArchive, openBackupDesk, sleep, newId: idFactory(), operator: operatorLabel() },
    version: packageJson.version,
    pace: paceForBackup,
  });
}
