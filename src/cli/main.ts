import { tmpdir } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import type { Spill } from '../collection/live-set.ts';
import { openSpillFiles } from '../collection/spill-files.ts';
import { type Config, ConfigError, readConfig } from '../config.ts';
import { RegistryError } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { PlanPorts } from '../retention/retain.ts';
import { NoStore } from '../storage/prepare.ts';
import { sleep } from '../wiring/basics.ts';
import { findExpiredUploads } from '../wiring/expired-uploads.ts';
import { lookAtImport, openImporter } from '../wiring/importing.ts';
import { type Operator, openOperator } from '../wiring/operator.ts';
import { lookAtPulls } from '../wiring/pulls.ts';
import { openPolicy } from '../wiring/retention.ts';
import { requireStoreOwner } from '../wiring/writable.ts';
import { EXIT, type ExitCode, reportFailure } from './failure.ts';
import { type FsckOptions, type FsckPorts, fsck } from './fsck.ts';
import { collectGarbage, type GcOptions, removeRepository, showGarbage } from './gc.ts';
import { showHistory } from './history.ts';
import { type ImportOptions, importRegistry } from './import.ts';
import { type JobsOptions, showJobs } from './jobs.ts';
import { type LogOptions, showLog } from './log.ts';
import { withJobs } from './open-jobs.ts';
import { type OpenStore, openStore, requireRepository, requireTag } from './open-store.ts';
import { Output } from './output.ts';
import { parseWhen, type Restore, type RestoreOptions, restoreThing, thingOf } from './restore.ts';
import { type RetentionOptions, runRetention, showRetention } from './retention.ts';
import type { Thing, When } from './undo/past.ts';

const marina = new Command('marina')
  .description(
    'Looks into a Marina store, which is found as the server finds it: by STORAGE_PATH and the other settings in the ' +
      'environment (docs/configuration.md). Only gc, retention, rm, import, restore, tag and fsck --repair write to it; a running server is not disturbed.',
  )
  .version(packageJson.version)
  .usage('<verb> [options]')
  .helpCommand(false)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.failed))
  .addHelpText(
    'after',
    `
Examples:
  npm run --silent marina -- log library/app --follow
  npm run --silent marina -- history library/app latest
  STORAGE_PATH=/data npm run --silent marina -- fsck --scrub

Exit codes: 0 all is well, 1 faults were found or there is no such thing, 2 it could not run.`,
  );

marina
  .command('log')
  .description('what happened to a repository, oldest first: one line an event')
  .argument('<repo>', 'name of the repository')
  .option('-f, --follow', 'go on with what happens from now on, until interrupted')
  .option('--json', 'one JSON object an event: the fields of its slot, and the event')
  .option('--full', 'digests in full')
  .option('--from <seq>', 'begin with this slot', positiveInteger, 1)
  .action((repo: string, options: LogOptions) => run((store, output) => showLog(repo, options, store, output)));

marina
  .command('history')
  .description('every value that a tag had, oldest first: when, by whom, in which slot; also when it was deleted')
  .argument('<repo>', 'name of the repository')
  .argument('<tag>', 'name of the tag')
  .option('--json', 'one JSON object a change')
  .action((repo: string, tag: string, options: { json?: true }) =>
    run((store, output) => showHistory(repo, tag, options, store, output)),
  );

marina
  .command('fsck')
  .description(
    'check that logs, snapshots, manifests and blobs are whole; names the repository and digest of each fault',
  )
  .argument('[repo...]', 'repositories to check; all of the store when none is named')
  .option('--scrub', 'read every blob and verify its digest')
  .option('--repair', 'link other bytes of the same digest instead of damaged ones, where another repository has them')
  .option('--json', 'one JSON object a finding, and one for the summary')
  .action((repos: string[], options: FsckOptions) =>
    run((store, output, config) => {
      // Before hours of reading.
      if (options.repair === true) requireStoreOwner(config);
      const writing: FsckPorts['writing'] = (work) => asOperator(config, store, ({ restore }) => work(restore));
      return fsck(repos, options, { ...store, grace: config.gcGrace, writing }, output);
    }),
  );

marina
  .command('jobs')
  .description('how the background jobs of a cluster stand (REDIS_URL), and those that were given up')
  .option('--failed', 'the jobs that failed at each attempt, the newest first')
  .option('--retry <id>', 'run one of those again')
  .option('--json', 'one JSON object a kind, or a job')
  .action((options: JobsOptions) =>
    report((output) => withJobs(readConfig(process.env), sleep, (queue) => showJobs(options, queue, output))),
  );

marina
  .command('gc')
  .description(
    'free what nothing links any more: asks the running server or the cluster, or does it where nobody serves the store',
  )
  .option('--dry-run', 'only show each thing that would go, its bytes and the reason')
  .option('--wait', 'follow a collection that somebody else does to its end')
  .option('--json', 'one JSON object a thing, and one for the summary')
  .action((options: GcOptions) => run((store, output, config) => runCollection(options, config, store, output)));

marina
  .command('retention')
  .description(
    'delete what the rules of RETENTION_FILE no longer keep: asks the running server or the cluster, or does it where nobody serves the store',
  )
  .option(
    '--dry-run',
    'only show each thing that would go by the file that this command is given, its bytes and the reason',
  )
  .option('--wait', 'follow a run that somebody else does to its end')
  .option('--json', 'one JSON object a thing, and one for the summary')
  .action((options: RetentionOptions) =>
    run(async (store, output, config) => {
      if (options.dryRun === true) return await showRetention(options, await planPorts(config, store), output);
      return await asOperator(config, store, (operator) => runRetention(options, operator, output));
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
  .description(
    'bring back a tag or a manifest that was deleted, also with its repository, while its bytes are there (GC_GRACE)',
  )
  .argument('<repo>', 'name of the repository')
  .argument('<tag|digest>', 'the tag, or the digest of the manifest')
  .option('--at <time|seq>', 'as it was at this time (ISO 8601, UTC) or after this slot', time)
  .option('--json', 'one JSON object: what was linked again, and the tags that were set')
  .action((repo: string, reference: string, options: RestoreOptions) =>
    runRestore(repo, () => thingOf(reference), options),
  );

marina
  .command('tag')
  .description('roll a tag back to what it pointed to after a slot; history shows the slots')
  .argument('<repo>', 'name of the repository')
  .argument('<tag>', 'name of the tag')
  .requiredOption('--to <seq>', 'the slot', positiveInteger)
  .option('--json', 'one JSON object: what was linked again, and the tag')
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
  const operator = await openOperator(config, store.reader, store.place);
  try {
    return await work(operator);
  } finally {
    await operator.close();
  }
}

marina
  .command('import')
  .description(
    "take over another registry: the data folder of distribution (registry:2, registry:3), or its bucket's prefix",
  )
  .argument('<source>', 'folder that holds docker/registry/v2, or s3://bucket/prefix')
  .option('--dry-run', 'only show what would be taken over, and what would be left out')
  .option('--trust', 'do not read blobs to compare their digests')
  .option('--move-tags', 'set tags that point elsewhere in this store to what the source says')
  .option('--json', 'one JSON object for each thing that is left out, and one for the summary')
  .action((source: string, options: ImportOptions) =>
    report((output) => runImport(source, options, readConfig(process.env), output)),
  );

async function runImport(source: string, options: ImportOptions, config: Config, output: Output): Promise<ExitCode> {
  if (options.dryRun === true) {
    const store = await openStore(config, sleep).catch((error: unknown) => {
      if (error instanceof NoStore) return undefined;
      throw error;
    });
    try {
      return await importRegistry(source, options, lookAtImport.bind(undefined, config, store?.reader), output);
    } finally {
      await store?.close();
    }
  }
  const importer = await openImporter(config);
  try {
    return await importRegistry(source, options, importer.run, output);
  } finally {
    await importer.close();
  }
}

async function runCollection(options: GcOptions, config: Config, store: OpenStore, output: Output): Promise<ExitCode> {
  if (options.dryRun === true) {
    const { gcGrace: grace, uploadExpiry } = config;
    const openSpill = (): Promise<Spill> => openSpillFiles(tmpdir());
    const ports = { driver: store.reader, openSpill, now: Date.now, grace, uploadExpiry };
    return await showGarbage(options, ports, findExpiredUploads(config, store.reader), output);
  }
  return await asOperator(config, store, (operator) => collectGarbage(options, operator, output));
}

async function planPorts(config: Config, { reader }: OpenStore): Promise<PlanPorts> {
  const policy = openPolicy(config);
  if (policy === undefined)
    throw new ConfigError('RETENTION_FILE is not set: there is no rule by which anything would go');
  const pulls = await lookAtPulls(reader, policy);
  return { driver: reader, policy, pulls, breathe: async () => {}, now: Date.now };
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

/** The process ends by itself when its last line is written; process.exit would cut that off. */
async function report(work: (output: Output) => Promise<ExitCode>): Promise<void> {
  try {
    process.exitCode = await work(new Output(process.stdout));
  } catch (error) {
    process.exitCode = reportFailure(error);
  }
}

await marina.parseAsync();
