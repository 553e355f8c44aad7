import { tmpdir } from 'node:os';
import { Argument, Command, InvalidArgumentError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import type { Spill } from '../collection/live-set.ts';
import { openSpillFiles } from '../collection/spill-files.ts';
import { type Config, ConfigError, readConfig } from '../config.ts';
import { RegistryError } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { PlanPorts } from '../retention/retain.ts';
import { NoStore } from '../storage/prepare.ts';
import { readAccessRules } from '../wiring/access-rules.ts';
import { openArchive, openHolds } from '../wiring/backup.ts';
import { idFactory, operatorLabel, sleep } from '../wiring/basics.ts';
import { paceFor } from '../wiring/collection.ts';
import type { Operator } from '../wiring/operator.ts';
import { readAccounts } from '../wiring/passwords.ts';
import { openHistory, openStates } from '../wiring/past.ts';
import { peekPulls } from '../wiring/pulls.ts';
import { positionOf, turnStoreSwitch } from '../wiring/read-only.ts';
import { replicaCommands } from '../wiring/replica-commands.ts';
import { openPolicy } from '../wiring/retention.ts';
import { changeRobot } from '../wiring/robots.ts';
import { readWebhooks } from '../wiring/webhook-file.ts';
import { orderWebhook, tryWebhookOut } from '../wiring/webhook-operator.ts';
import { requireStoreOwner } from '../wiring/writable.ts';
import { addAccessCommands } from './access/commands.ts';
import { type AuditOptions, showAudit } from './audit/audit.ts';
import { addBackupCommands } from './backup/commands.ts';
import { type ChangesOptions, showChanges } from './changes.ts';
import { showDiff } from './diff.ts';
import { CommandError, EXIT, type ExitCode, reportFailure } from './failure.ts';
import { type FsckOptions, type FsckPorts, fsck } from './fsck.ts';
import { collectGarbage, type GcOptions, removeRepository, showGarbage } from './gc.ts';
import { showHistory } from './history.ts';
import type { RunImport } from './import.ts';
import { type JobsOptions, showJobs } from './jobs.ts';
import { type LogOptions, showLog } from './log.ts';
import { type OpenStore, openStore, requireRepository, requireTag } from './open-store.ts';
import { Output } from './output.ts';
import { addPinCommands } from './pin.ts';
import { type ReadOnlyOptions, showReadOnly } from './read-only.ts';
import { addReplicaCommands } from './replica.ts';
import { parseWhen, type Restore, type RestoreOptions, restoreThing, thingOf } from './restore.ts';
import { type RetentionOptions, runRetention, showRetention } from './retention.ts';
import { addRobotCommands } from './robot.ts';
import { printTokenKey } from './token-key.ts';
import { addTransferCommands } from './transfers.ts';
import type { Thing, When } from './undo/past.ts';
import { addUserCommands } from './user.ts';
import { addWebhookCommands } from './webhooks.ts';

// Verbs that need Redis or other heavy packages import them when they run: loading those takes longer than most verbs.
const marina = new Command('marina')
  .description(
    'Inspects and maintains a Marina store. It takes the same settings as the server from the environment (STORAGE_PATH and ' +
      'others, docs/configuration.md), and works beside running servers. Only gc, backup, pin, unpin, webhooks, retention, read-only, robot, rm, import, load, restore, tag and fsck --repair write to the store.',
  )
  .version(packageJson.version)
  .usage('<verb> [options]')
  .helpCommand(false)
  // Options after a verb belong to the verb.
  .enablePositionalOptions()
  .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.failed))
  .addHelpText(
    'after',
    `
Examples:
  npm run --silent marina -- log library/app --follow
  npm run --silent marina -- history library/app latest
  STORAGE_PATH=/data npm run --silent marina -- fsck --scrub

Exit codes: 0 success, 1 faults were found or the thing does not exist, 2 the command could not run.`,
  );

marina
  .command('log')
  .description('show the events of a repository, or the changes of all, oldest first, one per line')
  .argument('[repo]', 'name of the repository')
  .option('--all', 'show the changes of all repositories, as GET /api/v1/changes does')
  .option('-f, --follow', 'keep following new events until interrupted')
  .option('--json', 'print one JSON object per event, with the fields of its slot')
  .option('--full', 'show full digests')
  .option('--from <seq>', 'start at this slot', positiveInteger, 1)
  .option('--since <where>', 'with --all: start at this time (ISO 8601), cursor, or "now"; default: the beginning')
  .option('--repo <glob>', 'with --all: only repositories whose names match')
  .option('--type <types>', 'with --all: only these types of changes, with commas between them')
  .action((repo: string | undefined, { all, ...options }: LogOptions & ChangesOptions & { all?: true }) =>
    run((store, output) => {
      if (all !== true) return showLog(repo ?? missing('name a repository, or use --all'), options, store, output);
      if (repo !== undefined)
        throw new CommandError(EXIT.failed, '--all is for all repositories: leave out the name, or use --repo');
      return showChanges(options, store, output);
    }),
  );

marina
  .command('history')
  .description('show every value a tag had, oldest first: when, by whom, in which slot, and deletions')
  .argument('<repo>', 'name of the repository')
  .argument('<tag>', 'name of the tag')
  .option('--json', 'print one JSON object per change')
  .action((repo: string, tag: string, options: { json?: true }) =>
    run((store, output) => showHistory(repo, tag, options, store, output)),
  );

marina
  .command('audit')
  .description('show all writes to repositories and robots, oldest first, with time and actor')
  .option('--repo <glob>', 'only repositories whose names match')
  .option('--actor <glob>', "only actors that match, such as 'robot:ci-*' or user:deployer")
  .option('--since <time>', 'start at this time (ISO 8601, UTC), or this long ago, such as 24h')
  .option('-f, --follow', 'keep following new writes until interrupted')
  .option('--verify', 'also check the hash chains of the logs; exit code 1 if one is broken')
  .option('--json', 'print one JSON object per event')
  .action((options: AuditOptions) =>
    run((store, output, config) => {
      const interrupted = new AbortController();
      if (options.follow === true) process.once('SIGINT', () => interrupted.abort());
      const ports = { reader: store.reader, skew: config.gcGrace / 4, now: Date.now, signal: interrupted.signal };
      return showAudit(options, ports, output);
    }),
  );

marina
  .command('diff')
  .description('show what differs between two moments of a repository, or between two of its images')
  .argument('<repo>', 'name of the repository')
  .argument('<a>', 'a slot or a time; or a tag or digest, also as it was: v1, tag:12, v1@12, v1@2026-11-28T10:15:00Z')
  .argument('<b>', 'the same, of the other side')
  .option('--json', 'print one JSON object')
  .action((repo: string, from: string, to: string, options: { json?: true }) =>
    run((store, output, config) => {
      const history = openHistory(store.reader, openStates(store.reader, config.pastMemory));
      return showDiff(repo, [from, to], options, history, output);
    }),
  );

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
      const { withJobs } = await import('./open-jobs.ts');
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
      const seenWithin = wanted === undefined ? undefined : await turnStoreSwitch(config, wanted === 'on', store.place);
      return await showReadOnly(await positionOf(config, store.reader), seenWithin, options, output);
    }),
  );

marina
  .command('rm')
  .description('delete a repository with all its tags, manifests and blobs')
  .argument('<repo>', 'name of the repository')
  .action((name: string) =>
    run(async (store, output, config) => {
      const repo = requireRepository(name);
      return await removeRepository(repo, () => removeFrom(repo, config, store), output);
    }),
  );

marina
  .command('restore')
  .description('restore a deleted tag or manifest, or one of a deleted repository, while its bytes exist (GC_GRACE)')
  .argument('<repo>', 'name of the repository')
  .argument('<tag|digest>', 'the tag, or the digest of the manifest')
  .option('--at <time|seq>', 'restore it as of this time (ISO 8601, UTC) or slot', time)
  .option('--json', 'print one JSON object: what was linked again, and the tags that were set')
  .action((repo: string, reference: string, options: RestoreOptions) =>
    runRestore(repo, () => thingOf(reference), options),
  );

marina
  .command('tag')
  .description('roll a tag back to its value after a slot; history shows the slots')
  .argument('<repo>', 'name of the repository')
  .argument('<tag>', 'name of the tag')
  .requiredOption('--to <seq>', 'the slot', positiveInteger)
  .option('--json', 'print one JSON object: what was linked again, and the tag')
  .action((repo: string, tag: string, { to, ...options }: { to: number; json?: true }) =>
    runRestore(repo, () => ({ kind: 'tag', tag: requireTag(tag) }), { ...options, at: { kind: 'slot', seq: to } }),
  );

function runRestore(name: string, thing: () => Thing, options: RestoreOptions): Promise<void> {
  return run((store, output, config) => {
    const restore: Restore = (repo, wanted) => asOperator(config, store, (operator) => operator.restore(repo, wanted));
    return restoreThing(requireRepository(name), thing(), options, { ...store, restore }, output);
  });
}

async function asOperator<T>(config: Config, store: OpenStore, work: (operator: Operator) => Promise<T>): Promise<T> {
  const { openOperator } = await import('../wiring/operator.ts');
  const operator = await openOperator(config, store.reader, store.place);
  try {
    return await work(operator);
  } finally {
    await operator.close();
  }
}

marina
  .command('token-key')
  .description('print a new private key for TOKEN_KEY_FILE')
  .action(() => report((output) => printTokenKey(output)));

/** An import, or a dry run of one, into the configured store. */
function withImporter(
  dryRun: boolean,
  work: (importer: RunImport, output: Output) => Promise<ExitCode>,
): Promise<void> {
  return report(async (output) => {
    const config = readConfig(process.env);
    if (dryRun) return await withPreview(config, (importer) => work(importer, output));
    const { openImporter } = await import('../wiring/importing.ts');
    const importer = await openImporter(config);
    try {
      return await work(importer.run, output);
    } finally {
      await importer.close();
    }
  });
}

async function withPreview(config: Config, work: (importer: RunImport) => Promise<ExitCode>): Promise<ExitCode> {
  const { previewImport } = await import('../wiring/importing.ts');
  const store = await openStore(config, sleep).catch((error: unknown) => {
    if (error instanceof NoStore) return undefined;
    throw error;
  });
  try {
    return await work((request, listeners) => previewImport(config, store?.reader, request, listeners));
  } finally {
    await store?.close();
  }
}

async function runCollection(options: GcOptions, config: Config, store: OpenStore, output: Output): Promise<ExitCode> {
  if (options.dryRun === true) {
    const { gcGrace: grace, uploadExpiry } = config;
    const openSpill = (): Promise<Spill> => openSpillFiles(tmpdir());
    const ports = { driver: store.reader, openSpill, now: Date.now, grace, uploadExpiry };
    const { findExpiredUploads } = await import('../wiring/expired-uploads.ts');
    return await showGarbage(options, ports, findExpiredUploads(config, store.reader), output);
  }
  return await asOperator(config, store, (operator) => collectGarbage(options, operator, output));
}

async function planPorts(config: Config, { reader }: OpenStore): Promise<PlanPorts> {
  const policy = openPolicy(config);
  if (policy === undefined) throw new ConfigError('RETENTION_FILE is not set: there are no retention rules');
  const pulls = await peekPulls(reader, policy);
  return { driver: reader, policy, pulls, yieldToRequests: async () => {}, now: Date.now };
}

async function removeFrom(repo: RepositoryName, config: Config, store: OpenStore): Promise<boolean> {
  try {
    await asOperator(config, store, (operator) => operator.deleteRepository(repo));
    return true;
  } catch (error) {
    if (error instanceof RegistryError && error.kind === 'name-unknown') return false;
    throw error;
  }
}

function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('A slot number from 1 on is expected.');
  return Number(text);
}

function missing(message: string): never {
  throw new CommandError(EXIT.failed, message);
}

function time(text: string): When {
  const when = parseWhen(text);
  if (when === undefined)
    throw new InvalidArgumentError('A slot number, or a time such as 2026-01-31T08:00:00Z, is expected.');
  return when;
}

async function run(work: (store: OpenStore, output: Output, config: Config) => Promise<ExitCode>): Promise<void> {
  await report(async (output) => {
    const config = readConfig(process.env);
    const store = await openStore(config, sleep);
    try {
      return await work(store, output, config);
    } finally {
      await store.close();
    }
  });
}

/** Sets the exit code only: process.exit would cut off lines that are still being written. */
async function report(work: (output: Output) => Promise<ExitCode>): Promise<void> {
  try {
    process.exitCode = await work(new Output(process.stdout));
  } catch (error) {
    process.exitCode = reportFailure(error);
  }
}

const runWithConfig = (work: (output: Output, config: Config) => Promise<ExitCode>): Promise<void> =>
  report((output) => work(output, readConfig(process.env)));
addTransferCommands(marina, { run, withImporter });
addUserCommands(marina, runWithConfig);
addPinCommands(marina, { run, asOperator, sleep, operator: operatorLabel() });
addBackupCommands(marina, {
  ...{ run, runWithConfig, openArchive, openHolds, sleep, newId: idFactory(), operator: operatorLabel() },
  version: packageJson.version,
  pace: paceFor(undefined),
});
addRobotCommands(marina, { run, change: changeRobot });
addReplicaCommands(marina, { run, ...replicaCommands });
addWebhookCommands(marina, {
  ...{ run, read: readWebhooks, now: Date.now },
  order: (config, { reader }, { name }, action) => orderWebhook(config, reader, name, action),
  tryOut: (config, { reader }, webhook) => tryWebhookOut(config, reader, webhook),
});
addAccessCommands(marina, { run: runWithConfig, readRules: readAccessRules, readAccounts });

await marina.parseAsync();
