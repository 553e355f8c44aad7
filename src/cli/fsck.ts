import { formatBytes } from '../config/size.ts';
import { CommandError, EXIT, type ExitCode } from './failure.ts';
import { type Check, StoreIndex } from './fsck/check.ts';
import type { Finding, Severity, Tally } from './fsck/findings.ts';
import { type Leftovers, NOT_COUNTED } from './fsck/leftovers.ts';
import { Progress } from './fsck/progress.ts';
import { type Repair, Repairs } from './fsck/repair.ts';
import { checkRepositories, checkStore, isKnown } from './fsck/store-check.ts';
import { type OpenStore, requireRepository } from './open-store.ts';
import { count, type Output, printable } from './output.ts';
import type { Restore } from './restore.ts';

export interface FsckOptions {
  readonly scrub?: true;
  readonly repair?: true;
  readonly json?: true;
}

export interface FsckPorts extends OpenStore {
  /** GC_GRACE in milliseconds. */
  readonly grace: number;
  /** Opens the store for writing while `work` runs; used only if there is something to repair. */
  readonly writing: (work: (restore: Restore) => Promise<number>) => Promise<number>;
}

/**
 * `fsck [<repo>...]`: checks that everything the logs link exists and is intact. `--repair` replaces damaged objects by intact ones with
 * the same digest, if the store has any.
 */
export async function fsck(
  names: readonly string[],
  options: FsckOptions,
  store: FsckPorts,
  output: Output,
): Promise<ExitCode> {
  const startedAt = Date.now();
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
  const repairs = new Repairs();
  const report = async (finding: Finding): Promise<void> => {
    found[finding.severity]++;
    if (options.repair === true) repairs.note(finding);
    const line = write(finding, output);
    if (output.isTerminal) await progress.aside(() => output.line(line));
    else await output.line(line);
  };
  const { reader } = store;
  const keptSince = startedAt - store.grace;
  const check: Check = { reader, scrub, keptSince, report, tally, progress, index: new StoreIndex() };
  let leftovers = NOT_COUNTED;
  try {
    if (repos.length > 0) await checkRepositories(repos, check);
    else leftovers = await checkStore(startedAt, check);
  } finally {
    progress.stop();
  }
  const writeRepair = options.json === true ? jsonRepair : readableRepair;
  const reportRepair = (repair: Repair): Promise<void> => output.line(writeRepair(repair, output));
  const repaired =
    repairs.size === 0 ? 0 : await store.writing((restore) => repairs.run({ reader, restore, report: reportRepair }));
  const done = options.repair === true ? { repaired } : {};
  if (options.json === true) await output.json({ ...jsonSummary(found, tally, leftovers), ...done });
  else await output.line(readableSummary(found, check, { ...leftovers, ...done }, output));
  return found.fault > repaired ? EXIT.negative : EXIT.ok;
}

function jsonFinding({ severity, problem, ...finding }: Finding): string {
  return JSON.stringify({ type: 'finding', severity, problem, ...finding });
}

function jsonRepair(repair: Repair): string {
  return JSON.stringify({ type: 'repair', ...repair });
}

function readableRepair({ outcome, repo, digest, with: inc, message }: Repair, output: Output): string {
  const object = inc === undefined ? '' : ` (object ${inc})`;
  const word = output.styled(outcome === 'repaired' ? 'green' : 'red', outcome.padEnd('unrepaired'.length));
  return `${word}  ${repo} ${digest}: ${printable(message)}${object}`;
}

const STYLES = { fault: 'red', warning: 'yellow', note: 'dim' } as const;
const SEVERITY_WIDTH = 'warning'.length;

function readableFinding({ severity, repo, log, slot, tag, digest, inc, message }: Finding, output: Output): string {
  const place = [
    repo ?? log,
    tag === undefined ? undefined : `tag ${tag}`,
    slot === undefined ? undefined : `slot ${slot}`,
    digest,
  ].filter((each) => each !== undefined);
  const where = place.length === 0 ? '' : `${place.join(' ')}: `;
  const object = inc === undefined ? '' : ` (object ${inc})`;
  return `${output.styled(STYLES[severity], severity.padEnd(SEVERITY_WIDTH))}  ${where}${printable(message)}${object}`;
}

function jsonSummary(found: Readonly<Record<Severity, number>>, tally: Tally, leftovers: Leftovers): object {
  const { fault: faults, warning: warnings } = found;
  const { orphans = null, kept = null, wrongHints = null } = leftovers;
  return { type: 'summary', faults, warnings, ...tally, orphans, kept, wrongHints };
}

function readableSummary(
  found: Readonly<Record<Severity, number>>,
  { tally, scrub }: Check,
  { orphans, kept, wrongHints, repaired }: Leftovers & { readonly repaired?: number },
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
  if (repaired !== undefined) parts.splice(1, 0, `${repaired} repaired, ${fault - repaired} left`);
  if (orphans !== undefined) parts.push(amount(orphans, 'orphan'));
  if (wrongHints !== undefined) parts.push(count(wrongHints, 'wrong hint'));
  if (kept !== undefined && kept.count > 0) parts.push(`${amount(kept, 'deleted object')} may still be restored`);
  if (orphans !== undefined && orphans.count > 0) parts.push('collection frees orphans (gc --dry-run shows them)');
  return parts.join('; ');
}

function amount(of: { readonly count: number; readonly bytes: number }, one: string): string {
  return `${count(of.count, one)} of ${formatBytes(of.bytes)}`;
}
