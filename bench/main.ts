// `npm run bench` measures Marina and distribution v3.1.2 in one run on one disk. It reports where Marina is slower, but is not a gate.
import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { Loadgen } from './loadgen.ts';
import { PROJECT } from './peers/marina.ts';
import { Place } from './place.ts';
import { consumption } from './processes.ts';
import { conclusion, type Failure, save, table } from './report.ts';
import type { Context, Row, Settings, Tools, Work } from './work.ts';
import { accessWorks } from './works/access.ts';
import { backupWork } from './works/backup.ts';
import { clusterWorks } from './works/cluster.ts';
import { gcWork } from './works/gc.ts';
import { gcPauseWork } from './works/gc-p99.ts';
import { gcSizeWorks } from './works/gc-sizes.ts';
import { loadgenWork } from './works/loadgen.ts';
import { memoryWork } from './works/memory.ts';
import { pushWorks } from './works/push.ts';
import { pushWithAllWork } from './works/push-with-all.ts';
import { pushWithEachWork } from './works/push-with-each.ts';
import { replicaLagWork } from './works/replica-lag.ts';
import { smallWorks } from './works/small.ts';
import { startWork } from './works/start.ts';
import { streamWorks } from './works/stream.ts';
import { tagWorks } from './works/tags.ts';
import { threadsWorks } from './works/threads.ts';
import { threadCurves } from './works/threads-curve.ts';
import { tlsWorks } from './works/tls.ts';
import { webhooksWork } from './works/webhooks.ts';

const WORKS: Work[] = [
  ...smallWorks,
  ...pushWorks,
  ...streamWorks,
  ...tlsWorks,
  ...accessWorks,
  ...tagWorks,
  ...threadsWorks,
  ...threadCurves,
  startWork,
  gcWork,
  gcPauseWork,
  backupWork,
  pushWithAllWork,
  pushWithEachWork,
  webhooksWork,
  replicaLagWork,
  memoryWork,
  loadgenWork,
  ...gcSizeWorks,
  ...clusterWorks,
];
/** If other programs use more than this share of the processors, a note is printed under the table. */
const MAX_OTHER_LOAD = 0.1;
const NORMAL: Settings = { quick: false, rounds: 5, seconds: 2 };
const QUICK: Settings = { quick: true, rounds: 3, seconds: 1 };

interface Options {
  quick?: boolean;
  cluster?: boolean;
  json?: string;
  dir?: string;
  rounds?: string;
  profile?: string;
}

function listOfWorks(): string {
  const width = Math.max(...WORKS.map((work) => work.name.length));
  const lines = WORKS.map(
    ({ name, about, long }) => `  ${name.padEnd(width)}  ${about}${long ? ' (not with --quick)' : ''}`,
  );
  return `\nWorks (by default all of the embedded shape, or with --cluster all of the cluster):\n${lines.join('\n')}`;
}

function chosen(names: string[], quick: boolean, cluster: boolean): Work[] {
  if (names.length === 0) {
    return WORKS.filter((work) => (work.cluster === true) === cluster && !(quick && work.long));
  }
  return names.map((name) => {
    const work = WORKS.find((one) => one.name === name);
    if (work === undefined) {
      throw new Error(`there is no work called "${name}"; --help lists them`);
    }
    return work;
  });
}

async function findTools(place: Place, works: readonly Work[]): Promise<Tools> {
  const find = async (tool: string): Promise<string> =>
    (await place.call([join(PROJECT, 'scripts/tools/ensure.sh'), tool])).trim();
  const distribution = await find('registry');
  const isCluster = works.some((work) => work.cluster === true);
  const services = isCluster ? { minio: await find('minio'), redis: await find('redis-server') } : undefined;
  if (works.every((work) => work.cluster === true)) return { distribution, services, nginx: undefined };
  try {
    return { distribution, services, nginx: await find('nginx') };
  } catch (error) {
    console.error(`nginx is not available, so pulls are not compared with a limit: ${String(error)}`);
    return { distribution, services, nginx: undefined };
  }
}

/** Starts a measurement. The returned function gives the share of the CPUs that other processes have used since. */
function measureOtherLoad(): () => number {
  const begin = performance.now();
  const before = consumption();
  return () => {
    const now = consumption();
    const seconds = (performance.now() - begin) / 1000;
    return (now.all - before.all - (now.own - before.own)) / (seconds * cpus().length);
  };
}

async function bench(names: string[], options: Options): Promise<void> {
  const settings: Settings = { ...(options.quick === true ? QUICK : NORMAL) };
  if (options.rounds !== undefined) {
    settings.rounds = Number.parseInt(options.rounds, 10);
  }
  if (!(settings.rounds >= 1)) {
    throw new Error('--rounds needs a number of at least 1');
  }
  if (options.profile !== undefined) {
    settings.profile = resolve(options.profile);
  }
  const works = chosen(names, settings.quick, options.cluster === true);
  if (!existsSync(join(PROJECT, 'src/main.ts'))) {
    throw new Error('src/main.ts is not there: nothing to measure');
  }
  const say = (line: string): void => console.error(line);
  const notes: string[] = [];
  const place = new Place(options.dir);
  const context: Context = {
    place,
    settings,
    say,
    note: (line) => void notes.push(line),
    tools: await findTools(place, works),
    loadgen: await Loadgen.build(place),
  };
  const rows: Row[] = [];
  const failures: Failure[] = [];
  for (const work of works) {
    say(`${work.name}: ${work.about}`);
    const others = measureOtherLoad();
    try {
      rows.push(...(await work.run(context)));
    } catch (error) {
      failures.push({ work: work.name, error: error instanceof Error ? error.message : String(error) });
    }
    const share = others();
    if (share > MAX_OTHER_LOAD) {
      notes.push(
        `${work.name}: other programs and kernel threads used ${Math.round(share * 100)}% of the processors during this work`,
      );
    }
  }
  const path = options.json ?? join('bench-results', `${new Date().toISOString().replaceAll(':', '-')}.json`);
  save(path, { rows, failures, notes, settings });
  console.log(`\n${table(rows)}\n\n${conclusion(rows, failures, notes)}\n\nRaw numbers: ${path}`);
  process.exit(failures.length === 0 ? 0 : 1);
}

const program = new Command('npm run bench --')
  .description(
    'Measures Marina beside distribution v3.1.2; ratios are medians over rounds that alternate between both.',
  )
  .argument('[works...]', 'names of works')
  .option('--quick', 'fewer and shorter rounds, smaller blobs, without the long works')
  .option('--cluster', 'the works of the cluster instead: two nodes on MinIO and Redis beside two of distribution')
  .option('--rounds <number>', 'rounds of each work')
  .option('--json <file>', 'where the raw numbers go (default: bench-results/<time>.json)')
  .option('--dir <folder>', 'where the data of the run is stored until it ends (default: the temporary folder)')
  .option('--profile <folder>', 'write CPU profiles of Marina, which makes its numbers lower')
  .addHelpText('after', listOfWorks())
  .action(bench);

try {
  await program.parseAsync();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
