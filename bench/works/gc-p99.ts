// How long clients wait for a manifest while a large store is collected in the same process, beside how long they wait without.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ulid } from 'ulid';
import type { Load } from '../loadgen.ts';
import { startMarina } from '../peers/marina.ts';
import { folderGround, plant, plantLoose } from '../planting.ts';
import { MANIFEST_TYPE, pushImage } from '../registry.ts';
import { ratios, spread } from '../stats.ts';
import type { Context, Row, Work } from '../work.ts';
import { GC_COMMAND, reportIn } from './gc.ts';
import { SMALL_LAYERS } from './small.ts';

const REPOSITORY = 'library/alpine';
const CONNECTIONS = 32;
/** So few that requests hardly wait for each other. */
const FEW = 2;
const MOST_RATIO = 1.5;
const STORE = {
  normal: { repositories: 500, garbage: 100_000, live: 400_000 },
  quick: { repositories: 100, garbage: 20_000, live: 60_000 },
};
/** Planted again before each collection. */
const LOOSE = { normal: 60_000, quick: 20_000 };

interface Window {
  without: Load;
  meanwhile: Load;
}

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
    const { bytes } = await pushImage(marina.address, REPOSITORY, 'latest', SMALL_LAYERS);
    const path = `/v2/${REPOSITORY}/manifests/latest`;
    const targets = [{ method: 'GET', path, accept: MANIFEST_TYPE, bytes: bytes.length }] as const;
    const measure = (connections: number): Promise<Load> =>
      loadgen.run(marina.address, { mode: 'fixed', targets, connections, seconds: settings.seconds });
    const rowOf = async (connections: number): Promise<Row> => {
      const windows: Window[] = [];
      for (let round = -1; round < settings.rounds; round++) {
        plantLoose(ground, LOOSE[size]);
        await place.call(['sync']);
        const without = await measure(connections);
        let isOver = false;
        const collecting = place.call(GC_COMMAND, '', env).then((text) => {
          isOver = true;
          return reportIn(text);
        });
        // The command takes a moment until it has asked.
        await asked(marina.address);
        const meanwhile = await measure(connections);
        if (isOver) throw new Error('the collection was over before the window: the store is too small');
        await collecting;
        if (round >= 0) windows.push({ without, meanwhile });
      }
      const p99 = (load: Load): number => load.p99ms;
      const ratio = ratios(
        windows.map(({ meanwhile }) => p99(meanwhile)),
        windows.map(({ without }) => p99(without)),
      );
      const each = (which: keyof Window): string => spread(windows.map((one) => p99(one[which]))).median.toFixed(2);
      context.note(
        `gc-p99: ${connections} connections, ${each('without')} ms without and ${each('meanwhile')} ms while collecting`,
      );
      return {
        ...{ work: 'gc-p99', title: `p99 of GET manifest while collecting over without, ${connections} connections` },
        ...{ unit: 'x', values: { marina: ratio.median }, most: MOST_RATIO },
        raw: {
          marina: windows.map(({ meanwhile }) => ({ rate: meanwhile.count / meanwhile.seconds, load: meanwhile })),
        },
        details: windows,
      };
    };
    return [await rowOf(CONNECTIONS), await rowOf(FEW)];
  } finally {
    await marina.child.stop();
  }
}

/** Resolves when a collection is active. */
async function asked(address: string): Promise<void> {
  for (const deadline = performance.now() + 20_000; performance.now() < deadline; ) {
    const text = await (await fetch(`http://${address}/metrics`)).text();
    if (/^marina_jobs\{[^}]*kind="collect"[^}]*state="active"[^}]*\} 1$/m.test(text)) return;
    await Bun.sleep(10);
  }
  throw new Error('no collection began');
}

export const gcPauseWork: Work = {
  name: 'gc-p99',
  about: 'p99 of GET manifest while a large store is collected in the same process',
  run,
};
