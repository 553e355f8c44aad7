// Latency of manifest GETs while a large store is collected in the same process, compared with the latency without collection.
// Collections are started through the control socket, so that, as on schedule, no command uses a core to start.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ulid } from 'ulid';
import type { CollectionProgress } from '../../src/collection/collect.ts';
import { ControlClient } from '../../src/control/client.ts';
import { COLLECTION_ANSWER } from '../../src/storage/paths.ts';
import type { Load } from '../loadgen.ts';
import { startMarina } from '../peers/marina.ts';
import { folderGround, plant, plantLoose } from '../planting.ts';
import { MANIFEST_TYPE, pushImage } from '../registry.ts';
import { ratios, spread } from '../stats.ts';
import type { Context, Row, Work } from '../work.ts';
import { type Report, reportIn } from './gc.ts';
import { SMALL_LAYERS } from './small.ts';

const REPOSITORY = 'library/alpine';
const CONNECTIONS = 32;
/** Few enough connections that requests hardly queue. */
const FEW = 2;
/** Windows per round without a collection, whose median p99 counts, because a single one varies by half. */
const WINDOWS_WITHOUT = 3;
const OVER_WITHIN_MS = 300_000;
const MAX_RATIO = 1.5;
const STORE = {
  normal: { repositories: 2_000, garbage: 100_000, live: 400_000 },
  quick: { repositories: 500, garbage: 20_000, live: 60_000 },
};
/** Length of a window, in seconds: shorter than each phase of a collection of such a store on an idle machine. */
const WINDOW = { normal: 1, quick: 0.3 };
/** Planted again before each collection. */
const LOOSE = { normal: 60_000, quick: 20_000 };

/** The phases that take a while. Nothing is left of earlier runs here, so the phases that finish those are short. */
const PHASES = ['logs', 'objects', 'deleting'] as const satisfies readonly CollectionProgress['phase'][];
type Phase = (typeof PHASES)[number];

async function run(context: Context): Promise<Row[]> {
  const { place, settings, loadgen, say } = context;
  const size = settings.quick ? 'quick' : 'normal';
  const folder = place.folder('gc-p99');
  const data = join(folder, 'marina');
  say('gc-p99: planting a store');
  const ground = folderGround(data);
  writeFileSync(join(data, 'format'), JSON.stringify({ layout: 1, store: ulid() }));
  await plant(STORE[size], ground);
  const env = { STORAGE_PATH: data, GC_ENABLED: 'false' };
  const marina = await startMarina(place, data, join(folder, 'marina.log'), { cluster: env });
  try {
    const server = await ControlClient.connect(data);
    if (server === undefined) throw new Error('the server does not listen on its socket');
    const { bytes } = await pushImage(marina.address, REPOSITORY, 'latest', SMALL_LAYERS);
    const path = `/v2/${REPOSITORY}/manifests/latest`;
    const targets = [{ method: 'GET', path, accept: MANIFEST_TYPE, bytes: bytes.length }] as const;
    const measure = (connections: number): Promise<Load> =>
      loadgen.run(marina.address, { mode: 'fixed', targets, connections, seconds: WINDOW[size] });
    /** Requests within each phase of one collection. Between these windows there are none, so it reaches the next phase quickly. */
    const collect = async (connections: number): Promise<Record<Phase, Load>> => {
      plantLoose(ground, LOOSE[size]);
      await place.call(['sync']);
      const request = ulid();
      await server.collect(request);
      const loads: Partial<Record<Phase, Load>> = {};
      for (const phase of PHASES) {
        await reached(phase, server);
        loads[phase] = await measure(connections);
        const now = (await server.collectionProgress())?.phase;
        if (now !== phase) throw new Error(`"${phase}" was over before the window: the store is too small`);
      }
      const report = await reportOf(request, data);
      if (report.failures > 0) throw new Error(`${report.failures} objects could not be deleted`);
      return loads as Record<Phase, Load>;
    };
    const rowsOf = async (connections: number): Promise<Row[]> => {
      const rounds: { without: Load[]; meanwhile: Record<Phase, Load> }[] = [];
      for (let round = -1; round < settings.rounds; round++) {
        const without: Load[] = [];
        while (without.length < WINDOWS_WITHOUT) without.push(await measure(connections));
        const meanwhile = await collect(connections);
        if (round >= 0) rounds.push({ without, meanwhile });
      }
      const without = rounds.map((round) => spread(round.without.map(({ p99ms }) => p99ms)).median);
      return PHASES.map((phase) => {
        const loads = rounds.map(({ meanwhile }) => meanwhile[phase]);
        const p99s = loads.map(({ p99ms }) => p99ms);
        const [one, other] = [without, p99s].map((each) => spread(each).median.toFixed(2));
        context.note(
          `gc-p99: ${phase}, ${connections} connections: ${one} ms without and ${other} ms while collecting`,
        );
        return {
          ...{ work: 'gc-p99', title: `p99 of GET manifest over that without (${phase}, ${connections} connections)` },
          ...{ unit: 'x', values: { marina: ratios(p99s, without).median }, most: MAX_RATIO },
          raw: { marina: loads.map((load) => ({ rate: load.count / load.seconds, load })) },
          details: rounds,
        };
      });
    };
    return [...(await rowsOf(CONNECTIONS)), ...(await rowsOf(FEW))];
  } finally {
    await marina.child.stop();
  }
}

async function reached(phase: Phase, server: ControlClient): Promise<void> {
  for (const deadline = performance.now() + OVER_WITHIN_MS; performance.now() < deadline; await Bun.sleep(5)) {
    const now = (await server.collectionProgress())?.phase;
    if (now === phase) return;
  }
  throw new Error(`no collection is at "${phase}"`);
}

/** The report of the requested collection, once it has ended. */
async function reportOf(request: string, data: string): Promise<Report> {
  const answer = join(data, COLLECTION_ANSWER);
  for (const deadline = performance.now() + OVER_WITHIN_MS; performance.now() < deadline; await Bun.sleep(100)) {
    const text = existsSync(answer) ? readFileSync(answer, 'utf8') : '';
    if (text.includes(request)) return reportIn(text);
  }
  throw new Error('the collection does not end');
}

export const gcPauseWork: Work = {
  name: 'gc-p99',
  about: 'p99 of GET manifest while a large store is collected in the same process',
  run,
};
