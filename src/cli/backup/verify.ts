import type { BackupPlace } from '../../backup/place.ts';
import { type Fault, type VerifyReport, verify } from '../../backup/verify.ts';
import { formatBytes } from '../../config/size.ts';
import { CommandError, EXIT, type ExitCode } from '../failure.ts';
import { count, type Output, printable } from '../output.ts';
import { untilInterrupted } from './interrupted.ts';
import { LogsBar } from './logs-bar.ts';
import { chosen } from './places.ts';
import type { NameOption } from './ports.ts';

export interface VerifyOptions extends NameOption {
  readonly sample?: string;
}

/** `backup verify <place>` */
export async function verifyPlace(
  place: BackupPlace,
  { name, sample, json }: VerifyOptions,
  output: Output,
): Promise<ExitCode> {
  const share = shareOf(sample);
  const backups = await chosen(place, name);
  if (backups.length === 0) throw new CommandError(EXIT.negative, `${place.name} has no whole backup`);
  const bar = await LogsBar.open();
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

/** @returns 0 to 1 */
function shareOf(text: string | undefined): number {
  if (text === undefined) return 1;
  const percent = /^\d{1,3}(?:\.\d+)?%$/.test(text) ? Number(text.slice(0, -1)) : Number.NaN;
  if (percent > 0 && percent <= 100) return percent / 100;
  throw new CommandError(EXIT.failed, `--sample ${text}: a percentage such as 5% is expected`);
}
