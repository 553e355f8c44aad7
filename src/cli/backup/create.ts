import { BackupIncomplete } from '../../backup/errors.ts';
import { BACKUP_NAME } from '../../backup/layout.ts';
import { BackupPlace } from '../../backup/place.ts';
import { backUp } from '../../backup/run.ts';
import { failedRun } from '../../backup/run-reports.ts';
import type { Config } from '../../config.ts';
import type { Archive } from '../../storage/archive.ts';
import { readIdentity, StoreRefused } from '../../storage/prepare.ts';
import { CommandError, EXIT, type ExitCode } from '../failure.ts';
import type { OpenStore } from '../open-store.ts';
import type { Output } from '../output.ts';
import { showDamages } from './damages.ts';
import { untilInterrupted } from './interrupted.ts';
import { LogsBar } from './logs-bar.ts';
import { refusing } from './places.ts';
import type { BackupPorts, CreateOptions } from './ports.ts';
import { readable } from './readable.ts';

const NOT_REPORTED = 'marina: the registry could not store the report of the backup, which administrators see';
const HOLD_LEFT = 'marina: the hold of the backup could not be removed: what it keeps is freed within an hour or two';

/** `backup <place>` */
export async function create(
  text: string,
  { name: wanted, json, fullSpeed }: CreateOptions,
  { store, output, config }: { readonly store: OpenStore; readonly output: Output; readonly config: Config },
  ports: BackupPorts,
): Promise<ExitCode> {
  const name = wanted ?? defaultName(Date.now());
  if (!BACKUP_NAME.test(name))
    throw new CommandError(EXIT.failed, 'a name has lower-case letters, digits, . _ and -, at most 63');
  const identity = await readIdentity(store.reader);
  if (identity === undefined) throw new StoreRefused(`${store.place} is not a Marina store`);
  const begun = Date.now();
  return await untilInterrupted(async (signal) => {
    const archive = await opened(text, config, ports, async (error) => {
      const { newId, operator: by } = ports;
      const run = { run: newId(), name, place: withoutLogin(text), by, startedAt: begun, finishedAt: Date.now() };
      await reported(async () => {
        const desk = await ports.openBackupDesk(config, store.place);
        try {
          await desk.report(failedRun({ ...run, added: { objects: 0, bytes: 0, slots: 0 } }, error));
        } finally {
          await desk.close();
        }
      });
    });
    try {
      const desk = await ports.openBackupDesk(config, store.place);
      const bar = await LogsBar.open();
      try {
        const { newId, sleep, operator: by, version } = ports;
        const pace = ports.pace(fullSpeed === true ? async () => undefined : desk.requests);
        const done = await refusing(() =>
          backUp({
            ...{ hold: desk.hold, release: desk.release, ...identity, newId, sleep, by, name, signal },
            pace: pace.pause,
            ...{ place: new BackupPlace(archive), reader: store.reader, now: Date.now, version },
            onHoldLeft: () => {
              bar.stop();
              console.error(HOLD_LEFT);
            },
            onProgress: ({ logs, of, bytes }) => bar.show(logs, of, bytes),
            onEnd: async (run) => {
              bar.stop();
              await reported(() => desk.report(run));
            },
          }),
        );
        const rested = pace.rested() / 1000;
        await (json === true
          ? output.json({ ...done, rested })
          : output.line(`backed up ${readable(done)}${describeRest(rested)}`));
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
        await desk.close();
      }
    } finally {
      await archive.close();
    }
  });
}

/** @param rested seconds */
function describeRest(rested: number): string {
  return rested === 0 ? '' : `; rested for ${rested.toFixed(1)} s of it because clients used the registry`;
}

/** Opens the place. @param failed called if it cannot be opened, but not for a wrong argument */
async function opened(
  text: string,
  config: Config,
  ports: BackupPorts,
  failed: (error: StoreRefused) => Promise<void>,
): Promise<Archive> {
  try {
    return await refusing(() => ports.openArchive(text, config, 'beside'));
  } catch (error) {
    if (error instanceof StoreRefused) await failed(error);
    throw error;
  }
}

/** A backup does not fail because of its report. */
async function reported(report: () => Promise<void>): Promise<void> {
  try {
    await report();
  } catch (error) {
    console.error(`${NOT_REPORTED}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A place is no URL with a login, but one could be given by mistake. */
function withoutLogin(text: string): string {
  return text.replace(/\/\/[^/]*@/, '//');
}

/** The time, as in names of the past. */
function defaultName(now: number): string {
  return new Date(now).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').toLowerCase().concat('z');
}
