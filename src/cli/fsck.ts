import { CommandError, EXIT, type ExitCode } from './failure.ts';
import { type Check, Seen } from './fsck/check.ts';
import type { Finding, Severity, Tally } from './fsck/findings.ts';
import { type Leftovers, NOT_COUNTED } from './fsck/leftovers.ts';
import { Progress } from './fsck/progress.ts';
import { checkRepositories, checkStore, isKnown } from './fsck/store-check.ts';
import { type OpenStore, requireRepository } from './open-store.ts';
import { count, formatBytes, type Output, printable } from './output.ts';

export interface FsckOptions {
  readonly scrub?: true;
  readonly json?: true;
}

/** `fsck [<repo>...]`: is everything there that the logs say, and is it what they say? */
export async function fsck(
  names: readonly string[],
  options: FsckOptions,
  store: OpenStore,
  output: Output,
): Promise<ExitCode> {
  const repos = [...new Set(names.map(requireRepository))];
  for (const repo of repos) {
    if (!(await isKnown(repo, store.reader))) {
      throw new CommandError(EXIT.failed, `there is no repository ${repo} in ${store.place}`);
    }
  }
  const scrub = options.scrub === true;
  const tally: Tally = { repositories: 0, slots: 0, snapshots: 0, objects: 0, bytes: 0, verified: 0 };
  const found: Record<Severity, number> = { fault: 0, warning: 0, note: 0 };
  const progress = new Progress(tally, process.stderr.isTTY === true ? process.stderr : undefined);
  const write = options.json === true ? jsonFinding : readableFinding;
  const report = async (finding: Finding): Promise<void> => {
    found[finding.severity]++;
    const line = write(finding, output);
    if (output.isTerminal) await progress.aside(() => output.line(line));
    else await output.line(line);
  };
  const check: Check = { reader: store.reader, scrub, report, tally, progress, seen: new Seen() };
  let leftovers = NOT_COUNTED;
  try {
    if (repos.length > 0) await checkRepositories(repos, check);
    else leftovers = await checkStore(Date.now(), check);
  } finally {
    progress.stop();
  }
  if (options.json === true) await output.json(jsonSummary(found, tally, leftovers));
  else await output.line(readableSummary(found, check, leftovers, output));
  return found.fault > 0 ? EXIT.negative : EXIT.ok;
}

function jsonFinding({ severity, problem, ...finding }: Finding): string {
  return JSON.stringify({ type: 'finding', severity, problem, ...finding });
}

const STYLES = { fault: 'red', warning: 'yellow', note: 'dim' } as const;
const SEVERITY_WIDTH = 'warning'.length;

function readableFinding({ severity, repo, slot, tag, digest, inc, message }: Finding, output: Output): string {
  const place = [
    repo,
    tag === undefined ? undefined : `tag ${tag}`,
    slot === undefined ? undefined : `slot ${slot}`,
    digest,
  ].filter((each) => each !== undefined);
  const where = place.length === 0 ? '' : `${place.join(' ')}: `;
  const object = inc === undefined ? '' : ` (object ${inc})`;
  return `${output.styled(STYLES[severity], severity.padEnd(SEVERITY_WIDTH))}  ${where}${printable(message)}${object}`;
}

function jsonSummary(found: Readonly<Record<Severity, number>>, tally: Tally, leftovers: Leftovers): unknown {
  const { fault: faults, warning: warnings } = found;
  const { orphans = null, wrongHints = null } = leftovers;
  return { type: 'summary', faults, warnings, ...tally, orphans, wrongHints };
}

function readableSummary(
  found: Readonly<Record<Severity, number>>,
  { tally, scrub }: Check,
  { orphans, wrongHints }: Leftovers,
  output: Output,
): string {
  const { fault, warning } = found;
  const verdict = fault === 0 ? output.styled('green', 'no faults') : output.styled('red', count(fault, 'fault'));
  const parts = [
    warning === 0 ? verdict : `${verdict}, ${count(warning, 'warning')}`,
    [
      count(tally.repositories, 'repository', 'repositories'),
      count(tally.slots, 'slot'),
      count(tally.snapshots, 'snapshot'),
      `${count(tally.objects, 'object')} of ${formatBytes(tally.bytes)}`,
    ].join(', '),
    scrub ? `${count(tally.verified, 'digest')} verified` : 'blobs not read (--scrub reads them)',
  ];
  if (orphans !== undefined) parts.push(`${count(orphans.count, 'orphan')} of ${formatBytes(orphans.bytes)}`);
  if (wrongHints !== undefined) parts.push(count(wrongHints, 'wrong hint'));
  return parts.join('; ');
}
