import { formatBytes } from '../config/size.ts';
import { DIFF_SIDE_FORMS, type DiffSide, parseDiffSide } from '../past/diff-side.ts';
import type { HistoryService } from '../past/history-service.ts';
import type { ManifestDiff, PartDifference } from '../past/manifest-diff.ts';
import type { RepositoryDiff } from '../past/repository-diff.ts';
import { CommandError, EXIT, type ExitCode } from './failure.ts';
import { requireRepository } from './open-store.ts';
import { count, formatTime, type Output, printable } from './output.ts';

/** `diff <repo> <a> <b>`: what differs between two moments of a repository, or between two of its manifests. */
export async function showDiff(
  name: string,
  [from, to]: readonly [string, string],
  options: { readonly json?: true },
  history: HistoryService,
  output: Output,
): Promise<ExitCode> {
  const repo = requireRepository(name);
  const diff = await history.diff(repo, requireSide(from), requireSide(to));
  if (options.json === true) {
    await output.json({ repo, ...diff });
    return EXIT.ok;
  }
  const lines = diff.kind === 'moments' ? momentLines(diff) : manifestLines(diff);
  for (const line of lines) await output.line(line);
  return EXIT.ok;
}

function requireSide(text: string): DiffSide {
  const side = parseDiffSide(text);
  if (side !== undefined) return side;
  throw new CommandError(EXIT.failed, `${JSON.stringify(text)} cannot be compared: ${DIFF_SIDE_FORMS} is expected`);
}

function momentLines({ from, to, tags, manifests, blobs }: RepositoryDiff): string[] {
  const moment = ({ seq, time, bytes }: RepositoryDiff['from']): string =>
    time === undefined ? 'before the first slot' : `slot ${seq} of ${formatTime(time)}, ${formatBytes(bytes)}`;
  return [
    `from ${moment(from)}`,
    `to   ${moment(to)}`,
    ...tags.items.map(({ tag, from: before, to: after }) => {
      if (before === undefined) return `+ tag ${tag} -> ${after}`;
      return after === undefined ? `- tag ${tag}, was ${before}` : `~ tag ${tag} -> ${after}, was ${before}`;
    }),
    ...rest(tags, 'tag'),
    ...manifests.added.items.map(({ digest, size }) => `+ manifest ${digest}, ${formatBytes(size)}`),
    ...rest(manifests.added, 'manifest'),
    ...manifests.gone.items.map(({ digest, size }) => `- manifest ${digest}, ${formatBytes(size)}`),
    ...rest(manifests.gone, 'manifest'),
    `${count(blobs.added, 'blob')} added, ${count(blobs.gone, 'blob')} gone`,
  ];
}

function rest({ items, count: all }: { readonly items: readonly unknown[]; readonly count: number }, what: string) {
  return all > items.length ? [`  … and ${count(all - items.length, what)} more`] : [];
}

const SIGNS: Readonly<Record<PartDifference['change'], string>> = { same: ' ', added: '+', gone: '-' };

function manifestLines({ from, to, layers, manifests, fields, bytes }: ManifestDiff): string[] {
  const part = (what: string, { change, digest, size, platform }: PartDifference): string =>
    `${SIGNS[change]} ${what} ${printable(digest)}, ${formatBytes(size)}${platform === undefined ? '' : `, ${printable(platform)}`}`;
  return [
    `from ${from.digest}, ${formatBytes(from.total)}`,
    `to   ${to.digest}, ${formatBytes(to.total)}`,
    ...layers.map((each) => part('layer', each)),
    ...manifests.map((each) => part('manifest', each)),
    ...fields.map(({ field, from: before, to: after }) => {
      const name = printable(field);
      if (before === undefined) return `+ ${name}: ${printable(after ?? '')}`;
      return after === undefined
        ? `- ${name}: ${printable(before)}`
        : `~ ${name}: ${printable(before)} -> ${printable(after)}`;
    }),
    `${formatBytes(bytes.added)} added, ${formatBytes(bytes.gone)} gone, ${formatBytes(bytes.same)} in both`,
  ];
}
