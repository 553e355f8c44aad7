import type { Command } from 'commander';
import { BackupIncomplete, BackupRefused, type Damage } from '../backup/errors.ts';
import type { HoldPorts } from '../backup/held-cut.ts';
import { BACKUP_NAME } from '../backup/layout.ts';
import { type BackupName, BackupPlace } from '../backup/place.ts';
import { MomentIncomplete, type RestoreReport, restoreBackup } from '../backup/restore.ts';
import { type BackupReport, backUp, reportOf } from '../backup/run.ts';
import { type Fault, type VerifyReport, verify } from '../backup/verify.ts';
import { formatBytes } from '../config/size.ts';
import type { Config } from '../config.ts';
import { MOMENT_FORMS, parseMoment } from '../past/moment.ts';
import type { Archive } from '../storage/archive.ts';
import { readIdentity, StoreRefused } from '../storage/prepare.ts';
import { CommandError, EXIT, type ExitCode } from './failure.ts';
import type { OpenStore } from './open-store.ts';
import { count, formatTime, type Output, printable } from './output.ts';
import { openBar } from './progress-bar.ts';

export interface BackupPorts extends Pick<HoldPorts, 'newId' | 'sleep'> {
  /** Of Marina. */
  readonly version: string;
  readonly run: (work: (store: OpenStore, output: Output, config: Config) => Promise<ExitCode>) => Promise<void>;
  readonly runWithConfig: (work: (output: Output, config: Config) => Promise<ExitCode>) => Promise<void>;
  readonly openArchive: (text: string, config: Config, access: 'read' | 'write' | 'beside') => Promise<Archive>;
  readonly openHolds: (
    config: Config,
    place: string,
  ) => Promise<Pick<HoldPorts, 'hold' | 'release'> & { readonly close: () => Promise<void> }>;
  readonly pace: () => Promise<void>;
  /** Recorded in the hold. */
  readonly operator: string;
}

interface NameOption {
  readonly name?: string;
  readonly json?: true;
}

interface VerifyOptions extends NameOption {
  readonly sample?: string;
}

interface RestoreOptions extends NameOption {
  readonly to: string;
  readonly at?: string;
  readonly sameStore?: true;
}

/** The most names of damaged content that are printed. */
const MAX_LISTED = 50;
const BAR = '{bar} {percentage}% | {value} of {total} logs, {copied}';
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
    .command('restore')
    .description('make a store from a backup; if it is interrupted, run it again')
    .argument('<place>', PLACE)
    .requiredOption('--to <store>', `the new store: empty ${PLACE}`)
    .option('--name <name>', 'this backup; the newest one if left out')
    .option('--at <time>', 'as of this time (UTC), as far back as the backups have the bytes')
    .option('--same-store', 'keep the identity of the registry, for cursors of its feed: only if it is gone')
    .option('--json', 'print one JSON object')
    .action((place: string, options: RestoreOptions) =>
      ports.runWithConfig((output, config) =>
        reading(place, config, ports, (opened) => restore(opened, options, { output, config }, ports)),
      ),
    );
}

async function create(
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

async function verifyPlace(
  place: BackupPlace,
  { name, sample, json }: VerifyOptions,
  output: Output,
): Promise<ExitCode> {
  const share = shareOf(sample);
  const backups = await chosen(place, name);
  const bar = new LogsBar();
  const onFault = async (fault: Fault): Promise<void> => {
    bar.stop();
    await (json === true ? output.json({ type: 'fault', ...fault }) : output.line(readableFault(fault, output)));
  };
  return await untilInterrupted(async (signal) => {
    try {
      const report = await verify(place, backups, {
        ...{ sample: share, random: Math.random, onFault, signal },
        onProgress: ({ logs, of, bytes }) => bar.show(logs, of, bytes),
      });
      bar.stop();
      await (json === true ? output.json({ type: 'summary', ...report }) : output.line(readableVerification(report)));
      return report.faults === 0 ? EXIT.ok : EXIT.negative;
    } finally {
      bar.stop();
    }
  });
}

async function restore(
  place: BackupPlace,
  { to, name, at, sameStore, json }: RestoreOptions,
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
    const bar = new LogsBar();
    try {
      const report = await restoreBackup({
        ...{ archive: place.archive, manifest, target, at: until, sameStore: sameStore === true, newId, signal },
        onProgress: ({ logs, of, bytes }) => bar.show(logs, of, bytes),
      });
      bar.stop();
      if (json === true) await output.json({ backup: manifest.name, ...report });
      else await output.line(readableRestore(manifest.name, target.place, report));
      return EXIT.ok;
    } catch (error) {
      bar.stop();
      if (!(error instanceof MomentIncomplete)) throw error;
      await showDamages(error, json === true, output);
      if (json !== true) await output.line('Nothing was restored: give a later moment.');
      return EXIT.negative;
    } finally {
      bar.stop();
      await target.close();
    }
  });
}

/** The backups with that name, or all, oldest first. */
async function chosen(place: BackupPlace, name: string | undefined): Promise<BackupName[]> {
  await place.require();
  const all = await place.list();
  if (name === undefined) return all;
  const named = all.filter((each) => each.name === name);
  if (named.length === 0)
    throw new CommandError(EXIT.negative, `${place.name} has no whole backup ${JSON.stringify(name)}`);
  return named;
}

async function reading(
  text: string,
  config: Config,
  { openArchive }: BackupPorts,
  work: (place: BackupPlace) => Promise<ExitCode>,
): Promise<ExitCode> {
  return await refusing(async () => {
    const archive = await openArchive(text, config, 'read');
    try {
      return await work(new BackupPlace(archive));
    } finally {
      await archive.close();
    }
  });
}

/** A refusal is one line. */
async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof BackupRefused) throw new CommandError(EXIT.failed, error.message);
    throw error;
  }
}

/** An interrupted command ends its hold and leaves no temporary files. A second interrupt ends it at once. */
async function untilInterrupted(work: (signal: AbortSignal) => Promise<ExitCode>): Promise<ExitCode> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    return await work(interrupted.signal);
  } catch (error) {
    if (interrupted.signal.aborted)
      throw new CommandError(EXIT.failed, 'interrupted: what was copied stays for the next run');
    throw error;
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

async function showDamages(
  { damages, count: total, message }: BackupIncomplete | MomentIncomplete,
  json: boolean,
  output: Output,
): Promise<void> {
  if (json) {
    await output.json({ type: 'incomplete', count: total, damages });
    return;
  }
  await output.line(`${output.styled('red', message)}:`);
  for (const damage of damages.slice(0, MAX_LISTED)) await output.line(`  ${readableDamage(damage)}`);
  if (total > MAX_LISTED) await output.line(`  … and ${total - MAX_LISTED} more`);
}

function readableDamage({ repo, digest, problem }: Damage): string {
  return `${repo} ${digest}: ${problem === 'missing' ? 'its bytes are missing' : 'its bytes do not match the digest'}`;
}

function readable({ name, moment, repositories, slots, added, seconds }: BackupReport): string {
  const all = `${count(repositories, 'repository', 'repositories')}, ${count(slots, 'slot')}`;
  const fresh = `new: ${count(added.objects, 'object')}, ${count(added.slots, 'slot')}, ${formatBytes(added.bytes)}`;
  return `${name}  ${formatTime(moment)}  ${all}; ${fresh} (${seconds.toFixed(1)} s)`;
}

function readableFault({ fault, backup, repo, digest, message }: Fault, output: Output): string {
  const what = [repo, digest].filter((each) => each !== undefined).join(' ');
  return `${output.styled('red', fault.padEnd(14))} ${backup}${what === '' ? '' : ` ${what}`}: ${printable(message)}`;
}

function readableVerification({ backups, logs, packs, blobs, read, bytes, faults }: VerifyReport): string {
  const checked = [
    `${count(backups, 'backup')}, ${count(logs, 'log')}, ${count(packs, 'pack')}, ${count(blobs, 'blob')}`,
    `${read === blobs ? 'all' : read} of the blobs read (${formatBytes(bytes)})`,
  ];
  return `${checked.join('; ')}: ${faults === 0 ? 'no faults' : count(faults, 'fault')}`;
}

function readableRestore(name: string, place: string, report: RestoreReport): string {
  const { repositories, slots, objects, bytes, store, resumed } = report;
  const all = `${count(repositories, 'repository', 'repositories')}, ${count(slots, 'slot')}, ${count(objects, 'object')}`;
  return `restored ${name} to ${place} (store ${store}): ${all}, ${formatBytes(bytes)} copied${resumed ? ' by this run' : ''}`;
}

/** The time, as in names of the past. */
function defaultName(now: number): string {
  return new Date(now).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').toLowerCase().concat('z');
}

/** @returns 0 to 1 */
function shareOf(text: string | undefined): number {
  if (text === undefined) return 1;
  const percent = /^\d{1,3}(?:\.\d+)?%$/.test(text) ? Number(text.slice(0, -1)) : Number.NaN;
  if (percent > 0 && percent <= 100) return percent / 100;
  throw new CommandError(EXIT.failed, `--sample ${text}: a percentage such as 5% is expected`);
}

/** Milliseconds: the end of the second or day. */
function requireTime(text: string): number {
  const moment = parseMoment(text);
  if (moment?.kind === 'time') return moment.until;
  const forms = MOMENT_FORMS.replace('a slot number, or ', '');
  throw new CommandError(EXIT.failed, `--at ${JSON.stringify(text)}: ${forms} is expected`);
}

/** The progress as one line; draws nothing without a terminal. */
class LogsBar {
  readonly #bar = openBar(process.stderr, BAR);

  show(logs: number, of: number, bytes: number): void {
    if (this.#bar === undefined) return;
    const payload = { copied: formatBytes(bytes) };
    if (!this.#bar.isActive) this.#bar.start(of, logs, payload);
    this.#bar.setTotal(of);
    this.#bar.update(logs, payload);
  }

  stop(): void {
    if (this.#bar?.isActive === true) this.#bar.stop();
  }
}
