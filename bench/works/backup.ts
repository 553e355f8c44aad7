// Backups beside a server on a folder: the first one over `cp -a` of the same folder, and the second one with 1 % new over the first. The
// time is that of the whole command, with the start of its process and the sync at its end; `cp` syncs nothing. And the p99 of GETs
// meanwhile, over that without and over that beside `cp -a` at the backup's priority: on few processors any other process delays the
// server. A backup rests while clients make requests, so it takes longer then. There are short windows with the same number of requests at an even rate, those without before and after each command.
import { join } from 'node:path';
import type { Load } from '../loadgen.ts';
import { PROJECT, startMarina } from '../peers/marina.ts';
import { atRest } from '../processes.ts';
import { bytesOf, MANIFEST_TYPE, pushImage } from '../registry.ts';
import { ratios, spread } from '../stats.ts';
import type { Context, Row, Work } from '../work.ts';

const MAX_RATIO = { first: 1.3, second: 0.05, p99: 1.5 };
/** A backup gives itself this priority, and keeps to one processor. */
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
/** GETs of a second: few enough that the server is idle most of the time. */
const RATE = 1_000;
/** A backup outlasts several windows of this many seconds. */
const WINDOW_SECONDS = { quick: 0.2, normal: 1 };
/** Windows without a command before each one, and after the last one. */
const WINDOWS_WITHOUT = 4;
/** Windows beside each kind of command in a round: it runs as often as that takes. */
const WINDOWS_BESIDE = 4;
const COMMAND = [process.execPath, join(PROJECT, 'src/cli/main.ts'), 'backup'];

interface Round {
  readonly copy: number;
  readonly first: number;
  readonly second: number;
  readonly without: readonly Load[];
  readonly besideBackup: Beside;
  readonly besideCopy: Beside;
}

/** What was measured while a command ran. */
interface Beside {
  readonly loads: readonly Load[];
  /** How long the command took each time, in seconds. */
  readonly took: readonly number[];
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
  const copyTo = (to: string): string[] => ['cp', '-a', data, to];
  const backupTo = (to: string): string[] => [...COMMAND, to];
  let made = 0;
  /** The path of a folder that is not there. */
  const fresh = (): string => join(folder, `made-${++made}`);
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
      loadgen.run(marina.address, {
        ...{ mode: 'fixed', targets, connections: CONNECTIONS },
        ...{ seconds: WINDOW_SECONDS[settings.quick ? 'quick' : 'normal'], rate: RATE },
      });
    const atRestThen = async (count: number): Promise<readonly Load[]> => {
      await place.call(['sync']);
      await atRest([marina.child.pid]);
      const loads: Load[] = [];
      while (loads.length < count) loads.push(await measure());
      return loads;
    };
    /** Only windows that the command outlasts count. */
    const measureBeside = async (commandFor: (made: string) => string[]): Promise<Beside> => {
      const loads: Load[] = [];
      const took: number[] = [];
      while (loads.length < WINDOWS_BESIDE) {
        const before = loads.length;
        let isOver = false;
        const begin = performance.now();
        const running = place.call(commandFor(fresh()), '', env).finally(() => {
          isOver = true;
          took.push((performance.now() - begin) / 1000);
        });
        for (let load = await measure(); !isOver; load = await measure()) loads.push(load);
        await running;
        if (loads.length === before) throw new Error('a command was over within one window: there are too few images');
      }
      return { loads, took };
    };
    const rounds: Round[] = [];
    for (let round = 0, pushed = images; round < settings.rounds; round++, pushed += images / NEW) {
      say(`backup: round ${round + 1}`);
      const copy = await timed(copyTo(fresh()));
      const backups = fresh();
      const first = await timed(backupTo(backups));
      await push(marina.address, pushed, images / NEW);
      const second = await timed([...backupTo(backups), '--name', 'second']);
      const without = [...(await atRestThen(WINDOWS_WITHOUT))];
      const nothing: Beside = { loads: [], took: [] };
      const found = { backup: nothing, copy: nothing };
      const order = ['backup', 'copy'] as const;
      for (const which of round % 2 === 0 ? order : order.toReversed()) {
        found[which] = await measureBeside(which === 'backup' ? backupTo : (to) => [...POLITE, ...copyTo(to)]);
        without.push(...(await atRestThen(WINDOWS_WITHOUT)));
      }
      rounds.push({ copy, first, second, without, besideBackup: found.backup, besideCopy: found.copy });
    }
    const p99Of = (loads: readonly Load[]): number => spread(loads.map(({ p99ms }) => p99ms)).median;
    const p99s = rounds.map(({ besideBackup }) => p99Of(besideBackup.loads));
    const withouts = rounds.map(({ without }) => p99Of(without));
    const copies = rounds.map(({ besideCopy }) => p99Of(besideCopy.loads));
    const row = (title: string, over: readonly number[], under: readonly number[], most?: number): Row => {
      const [one, other] = [over, under].map((each) => spread([...each]).median.toFixed(2));
      const { median, min, max } = ratios([...over], [...under]);
      context.note(`backup: ${title}: ${one} over ${other}; ${min.toFixed(2)}x to ${max.toFixed(2)}x`);
      const values = { marina: median };
      return {
        ...{ work: 'backup', title, unit: 'x', values, raw: {}, details: rounds },
        ...(most === undefined ? {} : { most }),
      };
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
      row('p99 of GET manifest beside a backup over that without, ms', p99s, withouts, MAX_RATIO.p99),
      row('p99 of GET manifest beside a backup over that beside cp -a, ms', p99s, copies, MAX_RATIO.p99),
      row('p99 of GET manifest beside cp -a over that without, ms', copies, withouts),
      row(
        'backup beside these GETs over one without, s',
        rounds.map(({ besideBackup }) => spread([...besideBackup.took]).median),
        firsts,
      ),
    ];
  } finally {
    await marina.child.stop();
  }
}

export const backupWork: Work = {
  name: 'backup',
  about: 'backups beside a server: over cp -a, a second one over the first, and p99 of pulls meanwhile',
  long: true,
  run,
};
