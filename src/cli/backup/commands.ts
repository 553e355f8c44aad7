import { type Command, InvalidArgumentError } from 'commander';
import type { BackupPorts, CreateOptions, NameOption } from './ports.ts';
import type { PruneOptions } from './prune.ts';
import type { RestoreOptions } from './restore.ts';
import type { VerifyOptions } from './verify.ts';

const PLACE = 'folder, or s3://bucket/prefix';

/** Adds `backup` with its verbs. They can be used while servers run. Each loads its own code: loading that of all takes as long as a small backup. */
export function addBackupCommands(marina: Command, ports: BackupPorts): void {
  const backup = marina
    .command('backup')
    .description('back up the registry while it is used; later backups to the same place copy only what is new')
    .helpCommand(false)
    // Options after a verb belong to the verb.
    .enablePositionalOptions()
    .argument('<place>', PLACE)
    .option('--name <name>', 'a name for the backup; its time in UTC if left out')
    .option('--full-speed', 'do not rest while clients use the registry')
    .option('--json', 'print one JSON object')
    .action(async (place: string, options: CreateOptions) => {
      const { create } = await import('./create.ts');
      await ports.run((store, output, config) => create(place, options, { store, output, config }, ports));
    });
  backup
    .command('list')
    .description('list the whole backups of a place, oldest first')
    .argument('<place>', PLACE)
    .option('--json', 'print one JSON object per backup')
    .action(async (place: string, options: NameOption) => {
      const [{ reading }, { listPlace }] = await Promise.all([import('./places.ts'), import('./list.ts')]);
      await ports.runWithConfig((output, config) =>
        reading(place, config, ports, (opened) => listPlace(opened, options, output)),
      );
    });
  backup
    .command('verify')
    .description('check the logs of all backups of a place, and the bytes that they link')
    .argument('<place>', PLACE)
    .option('--name <name>', 'only this backup')
    .option('--sample <share>', 'read the bytes of a share of the blobs only, such as 5%')
    .option('--json', 'print one JSON object per fault, and one for the summary')
    .action(async (place: string, options: VerifyOptions) => {
      const [{ reading }, { verifyPlace }] = await Promise.all([import('./places.ts'), import('./verify.ts')]);
      await ports.runWithConfig((output, config) =>
        reading(place, config, ports, (opened) => verifyPlace(opened, options, output)),
      );
    });
  backup
    .command('prune')
    .description('remove old backups, and what only they need')
    .argument('<place>', PLACE)
    .option('--keep-last <n>', 'keep the last n backups', positive)
    .option('--keep-daily <n>', 'of the last n days with backups, keep the last one of each', positive)
    .option('--keep-weekly <n>', 'the same for weeks', positive)
    .option('--keep-monthly <n>', 'the same for months', positive)
    .option('--dry-run', 'only show what would be removed')
    .option('--json', 'print one JSON object')
    .action(async (place: string, options: PruneOptions) => {
      const { prunePlace } = await import('./prune.ts');
      await ports.runWithConfig((output, config) => prunePlace(place, options, { output, config }, ports));
    });
  backup
    .command('restore')
    .description('make a store from a backup; if it is interrupted, run it again')
    .argument('<place>', PLACE)
    .requiredOption('--to <store>', `the new store: empty ${PLACE}`)
    .option('--name <name>', 'this backup; the newest one if left out')
    .option('--at <time>', 'as of this time (UTC), as far back as the backups have the bytes')
    .option('--same-store', 'keep the identity of the registry: only if it is gone, and with an empty Redis')
    .option('--accept-damage', 'end the restore although the backup lacks content, which is listed')
    .option('--json', 'print one JSON object')
    .action(async (place: string, options: RestoreOptions) => {
      const [{ reading }, { restore }] = await Promise.all([import('./places.ts'), import('./restore.ts')]);
      await ports.runWithConfig((output, config) =>
        reading(place, config, ports, (opened) => restore(opened, options, { output, config }, ports)),
      );
    });
}

function positive(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('A number from 1 on is expected.');
  return Number(text);
}
