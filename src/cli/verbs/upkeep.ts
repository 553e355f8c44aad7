import { tmpdir } from 'node:os';
import { Argument, type Command } from 'commander';
import type { Spill } from '../../collection/live-set.ts';
import { openSpillFiles } from '../../collection/spill-files.ts';
import { type Config, ConfigError, readConfig } from '../../config.ts';
import type { PlanPorts } from '../../retention/retain.ts';
import { sleep } from '../../wiring/basics.ts';
import { peekPulls } from '../../wiring/pulls.ts';
import { positionOf, turnStoreSwitch } from '../../wiring/read-only.ts';
import { openPolicy } from '../../wiring/retention.ts';
import { requireStoreOwner } from '../../wiring/store-owner.ts';
import type { ExitCode } from '../failure.ts';
import { type FsckOptions, type FsckPorts, fsck } from '../fsck.ts';
import { collectGarbage, type GcOptions, showGarbage } from '../gc.ts';
import { type JobsOptions, showJobs } from '../jobs.ts';
import type { OpenStore } from '../open-store.ts';
import type { Output } from '../output.ts';
import { type ReadOnlyOptions, showReadOnly } from '../read-only.ts';
import { type RetentionOptions, runRetention, showRetention } from '../retention.ts';
import { asOperator, report, run } from './run.ts';

/** Adds the verbs that check and clean the store. */
export function addVerbs(marina: Command): void {
  marina
    .command('fsck')
    .description('check logs, snapshots, manifests and blobs; name the repository and digest of each fault')
    .argument('[repo...]', 'repositories to check; the whole store if none is given')
    .option('--scrub', 'read every blob and verify its digest')
    .option('--repair', 'replace damaged bytes by others of the same digest, if another repository has them')
    .option('--json', 'print one JSON object per finding, and one for the summary')
    .action((repos: string[], options: FsckOptions) =>
      run((store, output, config) => {
        // A check can take hours, so a missing permission must show before.
        if (options.repair === true) requireStoreOwner(config);
        const writing: FsckPorts['writing'] = (work) => asOperator(config, store, ({ restore }) => work(restore));
        return fsck(repos, options, { ...store, grace: config.gcGrace, writing }, output);
      }),
    );
  marina
    .command('jobs')
    .description('show the job queues and dead letters of a cluster (REDIS_URL)')
    .option('--failed', 'show the dead letters, newest first')
    .option('--retry <id>', 'retry one of them')
    .option('--json', 'print one JSON object per kind, or per dead letter')
    .action((options: JobsOptions) =>
      report(async (output) => {
        const { withJobs } = await import('../open-jobs.ts');
        return await withJobs(readConfig(process.env), sleep, (queue) => showJobs(options, queue, output));
      }),
    );
  marina
    .command('gc')
    .description(
      'free objects that nothing links any more and end expired uploads: in the running server, in the cluster, or here if nothing serves the store',
    )
    .option('--dry-run', 'only list what would be deleted, with its size and the reason')
    .option('--wait', 'wait for a collection that runs elsewhere')
    .option('--json', 'print one JSON object per item, and one for the summary')
    .action((options: GcOptions) => run((store, output, config) => runCollection(options, config, store, output)));
  marina
    .command('retention')
    .description(
      'delete what the rules of RETENTION_FILE no longer keep: in the running server, in the cluster, or here if nothing serves the store',
    )
    .option('--dry-run', 'only list what the RETENTION_FILE of this command would delete, with its size and the reason')
    .option('--wait', 'wait for a run elsewhere')
    .option('--json', 'print one JSON object per item, and one for the summary')
    .action((options: RetentionOptions) =>
      run(async (store, output, config) => {
        if (options.dryRun === true) return await showRetention(options, await planPorts(config, store), output);
        return await asOperator(config, store, (operator) => runRetention(options, operator, output));
      }),
    );
  marina
    .command('read-only')
    .description(
      'make the registry refuse writes, for example before a backup or a move, or accept them again; without an argument, show the state',
    )
    .addArgument(new Argument('[on|off]', 'the new state').choices(['on', 'off']))
    .option('--json', 'print one JSON object: the state, and since when')
    .action((wanted: 'on' | 'off' | undefined, options: ReadOnlyOptions) =>
      run(async (store, output, config) => {
        const seenWithin =
          wanted === undefined ? undefined : await turnStoreSwitch(config, wanted === 'on', store.place);
        return await showReadOnly(await positionOf(config, store.reader), seenWithin, options, output);
      }),
    );
}

async function runCollection(options: GcOptions, config: Config, store: OpenStore, output: Output): Promise<ExitCode> {
  if (options.dryRun === true) {
    const { gcGrace: grace, uploadExpiry } = config;
    const openSpill = (): Promise<Spill> => openSpillFiles(tmpdir());
    const ports = { driver: store.reader, openSpill, now: Date.now, grace, uploadExpiry };
    const { findExpiredUploads } = await import('../../wiring/expired-uploads.ts');
    return await showGarbage(options, ports, findExpiredUploads(config, store.reader), output);
  }
  return await asOperator(config, store, (operator) => collectGarbage(options, operator, output));
}

async function planPorts(config: Config, { reader }: OpenStore): Promise<PlanPorts> {
  const policy = await openPolicy(config);
  if (policy === undefined) throw new ConfigError('RETENTION_FILE is not set: there are no retention rules');
  const pulls = await peekPulls(reader, policy);
  return { driver: reader, policy, pulls, yieldToRequests: async () => {}, now: Date.now };
}
