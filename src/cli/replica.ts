import type { Command } from 'commander';
import type { Config } from '../config.ts';
import type { Lag } from '../replica/lag.ts';
import type { Verification } from '../replica/verify.ts';
import { EXIT, type ExitCode } from './failure.ts';
import type { OpenStore } from './open-store.ts';
import { count, formatTime, type Output, printable } from './output.ts';

/** What the commands do, beside what they print. */
export interface ReplicaCommandPorts {
  readonly run: (work: (store: OpenStore, output: Output, config: Config) => Promise<ExitCode>) => Promise<void>;
  readonly lag: (config: Config, store: OpenStore) => Promise<Lag>;
  readonly verify: (config: Config, store: OpenStore) => AsyncIterable<Verification>;
  readonly promote: (config: Config, store: OpenStore) => Promise<void>;
}

interface Options {
  readonly json?: true;
}

/** How many repositories that differ are named. */
const MAX_SHOWN = 100;

export function addReplicaCommands(marina: Command, ports: ReplicaCommandPorts): void {
  const replica = marina
    .command('replica')
    .description('a registry that copies another one: REPLICA_OF, docs/replicas.md')
    .helpCommand(false);
  replica
    .command('status')
    .description('show what this replica lacks of its source: changes, bytes, seconds')
    .option('--json', 'print one JSON object')
    .action((options: Options) =>
      ports.run(async (store, output, config) => await showLag(await ports.lag(config, store), options, output)),
    );
  replica
    .command('verify')
    .description("compare each log's last slot with the source; exit code 1 if one differs")
    .option('--json', 'print one JSON object per log that is not equal, and one for the summary')
    .action((options: Options) =>
      ports.run((store, output, config) => showVerification(ports.verify(config, store), options, output)),
    );
  replica
    .command('promote')
    .description(
      'make this replica a primary for ever: it accepts writes within seconds, and follows no other registry',
    )
    .action(() =>
      ports.run(async (store, output, config) => {
        await ports.promote(config, store);
        await output.line(
          'promoted: this registry accepts writes within seconds, and follows no other one. Remove REPLICA_OF before its next start.',
        );
        return EXIT.ok;
      }),
    );
}

async function showLag(lag: Lag, { json }: Options, output: Output): Promise<ExitCode> {
  if (json === true) {
    await output.json(lag);
    return EXIT.ok;
  }
  const { source, seconds, changes, bytes, repositories, isMore } = lag;
  const atLeast = isMore ? 'at least ' : '';
  await output.line(`source   ${printable(source)}`);
  if (lag.promoted !== undefined) await output.line(`promoted ${formatTime(lag.promoted)}: it is a primary since`);
  await output.line(`copied   up to note ${lag.note}${lag.noted === undefined ? '' : `, of ${formatTime(lag.noted)}`}`);
  if (lag.missing !== undefined && lag.missing > 0)
    await output.line(`missing  ${count(lag.missing, 'object')} that logs link: the source lacks or has damaged them`);
  if (lag.problem !== undefined) {
    await output.line(`lag      unknown: ${printable(lag.problem)}`);
    return EXIT.negative;
  }
  await output.line(
    changes === 0
      ? 'lag      none'
      : `lag      ${atLeast}${count(changes, 'change')} in ${count(repositories, 'repository', 'repositories')}, ${atLeast}${bytes} bytes, ${Math.round(seconds)} s`,
  );
  return EXIT.ok;
}

async function showVerification(
  found: AsyncIterable<Verification>,
  { json }: Options,
  output: Output,
): Promise<ExitCode> {
  const counts = { equal: 0, behind: 0, different: 0 };
  for await (const each of found) {
    counts[each.kind]++;
    if (each.kind === 'equal') continue;
    if (json === true) await output.json(each);
    else if (each.kind === 'different' || counts.behind <= MAX_SHOWN) await output.line(describe(each));
  }
  const { equal, behind, different } = counts;
  if (json === true) await output.json(counts);
  else await output.line(`${count(equal, 'log')} equal, ${behind} behind, ${different} different`);
  return different === 0 ? EXIT.ok : EXIT.negative;
}

function describe({ log, kind, here, there }: Verification): string {
  return kind === 'behind'
    ? `behind     ${log}: slot ${here} here, more there; equal up to it`
    : `different  ${log}: slot ${here} here${there === undefined ? ', which is not there' : ' is another one there'}`;
}
