import type { BackupPlace } from '../../backup/place.ts';
import { MomentIncomplete, RestoreIncomplete, type RestoreReport, restoreBackup } from '../../backup/restore.ts';
import { formatBytes } from '../../config/size.ts';
import type { Config } from '../../config.ts';
import { MOMENT_FORMS, parseMoment } from '../../past/moment.ts';
import { CommandError, EXIT, type ExitCode } from '../failure.ts';
import { count, formatTime, type Output } from '../output.ts';
import { showDamages } from './damages.ts';
import { untilInterrupted } from './interrupted.ts';
import { LogsBar } from './logs-bar.ts';
import { chosen } from './places.ts';
import type { BackupPorts, NameOption } from './ports.ts';

export interface RestoreOptions extends NameOption {
  readonly to: string;
  readonly at?: string;
  readonly sameStore?: true;
  readonly acceptDamage?: true;
}

const NOT_FINISHED =
  'Everything else was restored, but servers refuse the store until the restore has ended. Run the same command again once the place ' +
  'has the bytes, for example from another copy of it, or with --accept-damage to do without them.';
const DONE_WITHOUT =
  'Pulls of these images fail. To bring one back, push it to another repository and run fsck --repair. Or delete it.';

/** `backup restore <place> --to <store>` */
export async function restore(
  place: BackupPlace,
  { to, name, at, sameStore, acceptDamage, json }: RestoreOptions,
  { output, config }: { readonly output: Output; readonly config: Config },
  { openArchive, newId }: BackupPorts,
): Promise<ExitCode> {
  const until = at === undefined ? undefined : requireTime(at);
  const backup = (await chosen(place, name)).at(-1);
  if (backup === undefined) throw new CommandError(EXIT.negative, `${place.name} has no whole backup`);
  const manifest = await place.read(backup);
  if (until !== undefined && until > Date.parse(manifest.moment))
    throw new CommandError(
      EXIT.failed,
      `the backup ${manifest.name} is of ${formatTime(manifest.moment)}: --at is later`,
    );
  return await untilInterrupted(async (signal) => {
    const target = await openArchive(to, config, 'write');
    const bar = await LogsBar.open();
    try {
      const report = await restoreBackup({
        ...{ archive: place.archive, manifest, target, at: until, sameStore: sameStore === true, newId, signal },
        acceptsDamage: acceptDamage === true,
        onProgress: ({ logs, of, bytes }) => bar.show(logs, of, bytes),
      });
      bar.stop();
      if (json === true) await output.json({ backup: manifest.name, ...report });
      else await output.line(readableRestore(manifest.name, target.place, report));
      if (report.lacking === 0) return EXIT.ok;
      if (json === true) return EXIT.negative;
      const { damages, lacking } = report;
      await showDamages(
        { damages, count: lacking, message: `blobs and manifests that were left out (${lacking})` },
        false,
        output,
      );
      await output.line(DONE_WITHOUT);
      return EXIT.negative;
    } catch (error) {
      bar.stop();
      if (!(error instanceof MomentIncomplete) && !(error instanceof RestoreIncomplete)) throw error;
      await showDamages(error, json === true, output);
      if (json === true) return EXIT.negative;
      const isMoment = error instanceof MomentIncomplete;
      await output.line(isMoment ? 'Nothing was restored: give a later moment.' : NOT_FINISHED);
      return EXIT.negative;
    } finally {
      bar.stop();
      await target.close();
    }
  });
}

function readableRestore(name: string, place: string, report: RestoreReport): string {
  const { repositories, slots, objects, bytes, store, resumed } = report;
  const all = `${count(repositories, 'repository', 'repositories')}, ${count(slots, 'slot')}, ${count(objects, 'object')}`;
  return `restored ${name} to ${place} (store ${store}): ${all}, ${formatBytes(bytes)} copied${resumed ? ' by this run' : ''}`;
}

/** Milliseconds: the end of the second or day. */
function requireTime(text: string): number {
  const moment = parseMoment(text);
  if (moment?.kind === 'time') return moment.until;
  const forms = MOMENT_FORMS.replace('a slot number, or ', '');
  throw new CommandError(EXIT.failed, `--at ${JSON.stringify(text)}: ${forms} is expected`);
}
