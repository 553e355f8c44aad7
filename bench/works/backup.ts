// Backups beside a server on a folder: the first one over `cp -a` of the same folder, the second one with 1 % new over the first, and the
// p99 of pulls meanwhile, over that without and over that beside `cp -a` at the backup's priority: on few processors any other process
// delays the server. The time is that of the whole command, with the start of its process and the sync at its end; `cp` syncs nothing.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Load } from '../loadgen.ts';
import { PROJECT, startMarina } from '../peers/marina.ts';
import { bytesOf, MANIFEST_TYPE, pushImage } from '../registry.ts';
import { ratios, spread } from '../stats.ts';
import type { Context, Row, Work } from '../work.ts';

const MAX_RATIO = { first: 1.3, second: 0.05, p99: 1.5 };
/** A backup gives itself this priority. */
const POLITE = ['nice', '-n', '19'];
const REPOSITORIES = 200;
const LAYERS = 2;
const LAYER_BYTES = 32 * 1024;
const IMAGES = { quick: 1_000, normal: 10_000 };
/** One of this many images is new for the second backup. */
const NEW = 100;
const PUSHERS = 8;
const REPOSITORY = 'library/alpine';
const CONNECTIONS = 8;
const COMMAND = [process.execPath, join(PROJECT, 'src/cli/main.ts'), 'backup'];

interface Round {
  readonly copy: number;
  readonly first: number;
  readonly second: number;
  readonly without: Load;
  readonly besideBackup: readonly Load[];
  readonly besideCopy: readonly Load[];
}

/** Pushes images, spread over the repositories. @param from the number of the first one */
async function push(address: string, from: number, count: number): Promise<void> {
  let next = from;
  const pusher = async (): Promise<void> => {
    for (let n = next++; n < from + count; n = next++) {
      const layers = Array.from({ length: LAYERS }, (_, layer) => bytesOf(`${n} ${layer}`, LAYER_BYTES));
      await pushImage(address, `team/app-${n % REPOSITORIES}`, `v${n}`, layers);
    }
  };
  await Promise.all(Array.from({ length: PUSHERS }, pusher));
}

async function run(context: Context): Promise<Row[]> {
  const { place, settings, loadgen, say } = context;
  const images = settings.quick ? IMAGES.quick : IMAGES.normal;
  const folder = place.folder('backup');
  const data = join(folder, 'marina');
  const env = { STORAGE_PATH: data, GC_ENABLED: 'false' };
  const marina = await startMarina(place, data, join(folder, 'marina.log'), { cluster: env });
  const timed = async (command: string[]): Promise<number> => {
    await place.call(['sync']);
    const begin = performance.now();
    await place.call(command, '', env);
    return (performance.now() - begin) / 1000;
  };
  try {
    say(`backup: pushing ${images} images`);
    await push(marina.address, 0, images);
    const { bytes } = await pushImage(marina.address, REPOSITORY, 'latest', [bytesOf('pulled', LAYER_BYTES)]);
    const path = `/v2/${REPOSITORY}/manifests/latest`;
    const targets = [{ method: 'GET', path, accept: MANIFEST_TYPE, bytes: bytes.length }] as const;
    const measure = (): Promise<Load> =>
      loadgen.run(marina.address, { mode: 'fixed', targets, connections: CONNECTIONS, seconds: settings.seconds });
    const measureBeside = async (command: string[], made: string): Promise<readonly Load[]> => {
      let isOver = false;
      const running = place.call(command, '', env).finally(() => {
        isOver = true;
      });
      const loads: Load[] = [];
      while (!isOver) loads.push(await measure());
      await running;
      rmSync(made, { recursive: true });
      return loads;
    };
    const rounds: Round[] = [];
    for (let round = 0, pushed = images; round < settings.rounds; round++, pushed += images / NEW) {
      say(`backup: round ${round + 1}`);
      const [copied, backups, beside] = ['copied', 'backups', 'beside'].map((name) => join(folder, name));
      if (copied === undefined || backups === undefined || beside === undefined) throw new Error('three folders');
      const copy = await timed(['cp', '-a', data, copied]);
      rmSync(copied, { recursive: true });
      const first = await timed([...COMMAND, backups]);
      await push(marina.address, pushed, images / NEW);
      const second = await timed([...COMMAND, backups, '--name', 'second']);
      rmSync(backups, { recursive: true });
      const without = await measure();
      const besideBackup = await measureBeside([...COMMAND, beside], beside);
      const besideCopy = await measureBeside([...POLITE, 'cp', '-a', data, copied], copied);
      rounds.push({ copy, first, second, without, besideBackup, besideCopy });
    }
    const p99Of = (loads: readonly Load[]): number => spread(loads.map(({ p99ms }) => p99ms)).median;
    const p99s = rounds.map(({ besideBackup }) => p99Of(besideBackup));
    const row = (title: string, over: readonly number[], under: readonly number[], most: number): Row => {
      const [one, other] = [over, under].map((each) => spread([...each]).median.toFixed(2));
      context.note(`backup: ${title}: ${one} over ${other}`);
      const values = { marina: ratios([...over], [...under]).median };
      return { work: 'backup', title, unit: 'x', values, most, raw: {}, details: rounds };
    };
    const firsts = rounds.map(({ first }) => first);
    return [
      row(
        `backup of ${images} images over cp -a, s`,
        firsts,
        rounds.map(({ copy }) => copy),
        MAX_RATIO.first,
      ),
      row(
        'second backup with 1 % new over the first, s',
        rounds.map(({ second }) => second),
        firsts,
        MAX_RATIO.second,
      ),
      row(
        'p99 of GET manifest meanwhile over that without, ms',
        p99s,
        rounds.map(({ without }) => without.p99ms),
        MAX_RATIO.p99,
      ),
      row(
        'p99 of GET manifest beside a backup over that beside cp -a, ms',
        p99s,
        rounds.map(({ besideCopy }) => p99Of(besideCopy)),
        MAX_RATIO.p99,
      ),
    ];
  } finally {
    await marina.child.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

export const backupWork: Work = {
  name: 'backup',
  about: 'backups beside a server: over cp -a, a second one over the first, and p99 of pulls meanwhile',
  long: true,
  run,
};
