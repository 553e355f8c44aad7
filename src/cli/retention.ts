import { formatBytes } from '../config/size.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { Removal } from '../retention/plan.ts';
import type { Rule } from '../retention/policy.ts';
import type { RetentionReport } from '../retention/report.ts';
import { type PlanPorts, planAll, type RetentionProgress } from '../retention/retain.ts';
import { EXIT, type ExitCode } from './failure.ts';
import { count, formatTime, type Output } from './output.ts';
import { openBar, shortened } from './progress-bar.ts';

export interface RetentionOptions {
  readonly dryRun?: true;
  readonly wait?: true;
  readonly json?: true;
}

/** Runs retention: in the running server, a cluster's workers, or this process. */
export interface Retainer {
  /** Whether it runs in this process, which then has to wait for it. */
  readonly runsHere: boolean;
  readonly retain: (
    onProgress: (progress: RetentionProgress) => void,
  ) => Promise<{ readonly report: () => Promise<RetentionReport> }>;
}

/** `retention`: deletes tags and manifests that the rules no longer keep. */
export async function runRetention(options: RetentionOptions, retainer: Retainer, output: Output): Promise<ExitCode> {
  const bar = openBar(process.stderr, '{bar} {percentage}% | {value} of {total} repositories | {repository}');
  try {
    const { report } = await retainer.retain(({ done, total, repository }) => {
      const payload = { repository: shortened(repository) };
      if (bar?.isActive === false) bar.start(total, done, payload);
      bar?.setTotal(total);
      bar?.update(done, payload);
    });
    if (options.wait !== true && !retainer.runsHere) {
      if (options.json === true) await output.json({ type: 'requested' });
      else await output.line('retention requested; --wait follows it, and /metrics shows its result');
      return EXIT.ok;
    }
    const done = await report();
    bar?.stop();
    if (options.json === true) await output.json({ type: 'summary', ...done });
    else await output.line(readableReport(done, output));
    return done.failures === 0 ? EXIT.ok : EXIT.negative;
  } finally {
    bar?.stop();
  }
}

/** `retention --dry-run`: lists what would be deleted now, and why. Writes nothing. */
export async function showRetention(options: RetentionOptions, ports: PlanPorts, output: Output): Promise<ExitCode> {
  const total = { repositories: 0, tags: 0, manifests: 0, bytes: 0 };
  for await (const { repo, rule, removals } of planAll(ports)) {
    total.repositories++;
    for (const removal of removals) {
      if (removal.kind === 'tag') total.tags++;
      else {
        total.manifests++;
        total.bytes += removal.bytes;
      }
      if (options.json === true) await output.json(jsonOf(repo, rule, removal));
      else await output.line(readable(repo, rule, removal, output));
    }
  }
  if (options.json === true) await output.json({ type: 'summary', dryRun: true, ...total });
  else {
    await output.line(
      `${count(total.tags, 'tag')} and ${count(total.manifests, 'manifest')} with ${formatBytes(total.bytes)} ` +
        `would be deleted, of ${count(total.repositories, 'repository', 'repositories')} with a rule`,
    );
  }
  return EXIT.ok;
}

function jsonOf(repo: RepositoryName, rule: Rule, removal: Removal): Record<string, unknown> {
  const about = { type: removal.kind, action: 'delete', repo, rule: rule.name, digest: removal.digest };
  if (removal.kind === 'manifest')
    return { ...about, bytes: removal.bytes, since: iso(removal.since), reason: 'untagged' };
  const { tag, pushedAt, pulledAt } = removal;
  // A tag takes no space. Its manifest is deleted later, when it has no tags.
  const times = { pushed: iso(pushedAt), ...(pulledAt === undefined ? {} : { pulled: iso(pulledAt) }) };
  return { ...about, tag, bytes: 0, ...times, reason: 'not-kept' };
}

function readable(repo: RepositoryName, rule: Rule, removal: Removal, output: Output): string {
  const why = (text: string): string => output.styled('dim', `${rule.name}: ${text}`);
  if (removal.kind === 'manifest') {
    const { digest, bytes, since } = removal;
    return `delete  ${repo}@${digest}  ${formatBytes(bytes)}  ${why(`without a tag since ${formatTime(iso(since))}`)}`;
  }
  const { tag, pushedAt, pulledAt } = removal;
  const pulled = pulledAt === undefined ? '' : `, pulled ${formatTime(iso(pulledAt))}`;
  return `delete  ${repo}:${tag}  ${why(`nothing keeps it; pushed ${formatTime(iso(pushedAt))}${pulled}`)}`;
}

function readableReport(report: RetentionReport, output: Output): string {
  const { repositories, tags, manifests, bytes, failures, failed, startedAt, finishedAt } = report;
  const parts = [
    `${count(tags, 'tag')} and ${count(manifests, 'manifest')} with ${formatBytes(bytes)} deleted`,
    `${count(repositories, 'repository', 'repositories')} with a rule`,
  ];
  if (failures > 0) parts.push(output.styled('red', `${count(failures, 'failure')}: ${failed ?? ''}`));
  return `${parts.join('; ')} (${((finishedAt - startedAt) / 1000).toFixed(1)} s)`;
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
