import { BackupIncomplete } from '../../backup/errors.ts';
import { BACKUP_NAME } from '../../backup/layout.ts';
import { BackupPlace } from '../../backup/place.ts';
import { backUp } from '../../backup/run.ts';
import type { Config } from '../../config.ts';
import { readIdentity, StoreRefused } from '../../storage/prepare.ts';
import { CommandError, EXIT, type ExitCode } from '../failure.ts';
import type { OpenStore } from '../open-store.ts';
import type { Output } from '../output.ts';
import { showDamages } from './damages.ts';
import { untilInterrupted } from './interrupted.ts';
import { LogsBar } from './logs-bar.ts';
import { refusing } from './places.ts';
import type { BackupPorts, NameOption } from './ports.ts';
import { readable } from './readable.ts';

const HOLD_LEFT = 'marina: the hold of the backup could not be removed: what it keeps is freed within an hour or two';

/** `backup <place>` */
export async function create(
  text: string,
  { name: wanted, json }: NameOption,
  { store, output, config }: { readonly store: OpenStore; readonly output: Output; readonly config: Config },
  ports: BackupPorts,
): Promise<ExitCode> {
  const name = wanted ?? defaultName(Date.now());
  if (!BACKUP_NAME.test(name))
    throw new CommandError(EXIT.failed, 'a name has lower-case letters, digits, . _ and -, at most 63');
  const identity = await readIdentity(store.reader);
  if (identity === undefined) throw new StoreRefused(`${store.place} is not a Marina store`);
  return await untilInterrupted(async (signal) => {
    const archive = await refusing(() => ports.openArchive(text, config, 'beside'));
    try {
      const holds = await ports.openHolds(config, store.place);
      const bar = new LogsBar();
      try {
        const { newId, sleep, operator: by, pace, version } = ports;
        const report = await refusing(() =>
          backUp({
            ...{ ...holds, ...identity, newId, sleep, by, name, pace, signal },
            ...{ place: new BackupPlace(archive), reader: store.reader, now: Date.now, version },
            onHoldLeft: () => {
              bar.stop();
              console.error(HOLD_LEFT);
            },
            onProgress: ({ logs, of, bytes }) => bar.show(logs, of, bytes),
          }),
        );
        bar.stop();
        await (json === true ? output.json(report) : output.line(`backed up ${readable(report)}`));
        return EXIT.ok;
      } catch (error) {
        bar.stop();
        if (!(error instanceof BackupIncomplete)) throw error;
        await showDamages(error, json === true, output);
        if (json !== true)
          await output.line(
            'There is no backup: to find the images, and to repair them if another repository has the content, run fsck --scrub --repair.',
          );
        return EXIT.negative;
      } finally {
        bar.stop();
        await holds.close();
      }
    } finally {
      await archive.close();
    }
  });
}

/** The time, as in names of the past. */
function defaultName(now: number): string {
  return new Date(now).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').toLowerCase().concat('z');
}
