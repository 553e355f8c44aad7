import { type Command, InvalidArgumentError } from 'commander';
import { reportOf } from '../../backup/run.ts';
import { EXIT } from '../failure.ts';
import { create } from './create.ts';
import { reading } from './places.ts';
import type { BackupPorts, NameOption } from './ports.ts';
import { type PruneOptions, prunePlace } from './prune.ts';
import { readable } from './readable.ts';
import { type RestoreOptions, restore } from './restore.ts';
import { type VerifyOptions, verifyPlace } from './verify.ts';

const PLACE = 'folder, or s3://bucket/prefix';

/** Adds `backup` with its verbs. They can be used while servers run. */
export function addBackupCommands(marina: Command, ports: BackupPorts): void {
  const backup = marina
    .command('backup')
    .description('back up the registry while it is used; later backups to the same place copy only what is new')
    .helpCommand(false)
    // Options after a verb belong to the verb.
    .enablePositionalOptions()
    .argument('<place>', PLACE)
    .option('--name <name>', 'a name for the backup; its time in UTC if left out')
    .option('--json', 'print one JSON object')
    .action((place: string, options: NameOption) =>
      ports.run((store, output, config) => create(place, options, { store, output, config }, ports)),
    );
  backup
    .command('list')
    .description('list the whole backups of a place, oldest first')
    .argument('<place>', PLACE)
    .option('--json', 'print one JSON object per backup')
    .action((place: string, { json }: NameOption) =>
      ports.runWithConfig((output, config) =>
        reading(place, config, ports, async (opened) => {
          await opened.require();
          for (const each of await opened.list()) {
            const report = reportOf(await opened.read(each));
            await (json === true ? output.json(report) : output.line(readable(report)));
          }
          return EXIT.ok;
        }),
      ),
    );
  backup
    .command('verify')
    .description('check the logs of all backups of a place, and the bytes that they link')
    .argument('<place>', PLACE)
    .option('--name <name>', 'only this backup')
    .option('--sample <share>', 'read the bytes of a share of the blobs only, such as 5%')
    .option('--json', 'print one JSON object per fault, and one for the summary')
    .action((place: string, options: VerifyOptions) =>
      ports.runWithConfig((output, config) =>
        reading(place, config, ports, (opened) => verifyPlace(opened, options, output)),
      ),
    );
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
    .action((place: string, options: PruneOptions) =>
      ports.runWithConfig((output, config) => prunePlace(place, options, { output, config }, ports)),
    );
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
    .action((place: string, options: RestoreOptions) =>
      ports.runWithConfig((output, config) =>
        reading(place, config, ports, (opened) => restore(opened, options, { output, config }, ports)),
      ),
    );
}

function positive(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('A number from 1 on is expected.');
  return Number(text);
}
