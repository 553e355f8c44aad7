import { BackupPlace } from '../../backup/place.ts';
import { type PruneReport, prune } from '../../backup/prune.ts';
import { formatBytes } from '../../config/size.ts';
import type { Config } from '../../config.ts';
import { CommandError, EXIT, type ExitCode } from '../failure.ts';
import { count, type Output } from '../output.ts';
import { untilInterrupted } from './interrupted.ts';
import { reading, refusing } from './places.ts';
import type { BackupPorts } from './ports.ts';

export interface PruneOptions {
  readonly keepLast?: number;
  readonly keepDaily?: number;
  readonly keepWeekly?: number;
  readonly keepMonthly?: number;
  readonly dryRun?: true;
  readonly json?: true;
}

/** `backup prune <place>` */
export async function prunePlace(
  text: string,
  { keepLast = 0, keepDaily = 0, keepWeekly = 0, keepMonthly = 0, dryRun, json }: PruneOptions,
  { output, config }: { readonly output: Output; readonly config: Config },
  ports: BackupPorts,
): Promise<ExitCode> {
  const rules = { last: keepLast, daily: keepDaily, weekly: keepWeekly, monthly: keepMonthly };
  if (Object.values(rules).every((each) => each === 0))
    throw new CommandError(
      EXIT.failed,
      'which backups are to be kept? Give --keep-last, --keep-daily, --keep-weekly or --keep-monthly',
    );
  const isDry = dryRun === true;
  const work = (place: BackupPlace): Promise<ExitCode> =>
    untilInterrupted(async (signal) => {
      const report = await prune({ ...{ place, rules, isDry, signal }, newId: ports.newId, now: Date.now });
      await (json === true ? output.json({ dryRun: isDry, ...report }) : show(report, isDry, output));
      return EXIT.ok;
    });
  // A place that is none must not become one.
  const required = await reading(text, config, ports, async (place) => {
    await place.require();
    return isDry ? await work(place) : EXIT.ok;
  });
  if (isDry || required !== EXIT.ok) return required;
  return await refusing(async () => {
    const archive = await ports.openArchive(text, config, 'write');
    try {
      return await work(new BackupPlace(archive));
    } finally {
      await archive.close();
    }
  });
}

async function show({ kept, removed, objects, bytes }: PruneReport, isDry: boolean, output: Output): Promise<void> {
  const be = isDry ? 'would be ' : '';
  for (const { name } of removed) await output.line(`${name}  ${be}removed`);
  for (const { name } of kept) await output.line(`${name}  kept`);
  await output.line(`${count(objects, 'object')} (${formatBytes(bytes)}) ${be}removed`);
}
