// How the cost of requests grows with the threads of a process, and what a write costs the one thread that owns the data folder. The
// processors are fewer than the threads, so these works show processor time, not rates.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, connectionsBesideOwner, threadOf } from '../connection.ts';
import type { Load, Target } from '../loadgen.ts';
import { startMarina } from '../peers/marina.ts';
import type { Registry } from '../peers/peer.ts';
import { mainThreadSeconds, processorSeconds, residentOf } from '../processes.ts';
import { bytesOf, digestOf, imageManifest, MANIFEST_TYPE, pushBlob, pushImage } from '../registry.ts';
import { spread } from '../stats.ts';
import type { Context, Row, Run, Work } from '../work.ts';
import { type Point, rowsOf } from './curves.ts';
import { CONNECTIONS, REPOSITORY, SMALL_LAYERS, TAG } from './small.ts';

const THREADS = [1, 2, 4, 8];
const READS = 40_000;
const READS_QUICK = 8_000;
const REPOSITORIES = Array.from({ length: CONNECTIONS }, (_, n) => `team/service-${n}`);
const CONFIG = bytesOf('config of the threads', 200);
const LAYER_BYTES = 4096;
/** Disks are noisier than processors, so a run takes this many times as long as one that only reads. */
const LENGTHEN = 3;
/** Until memory that the start needed has been returned. */
const SETTLED_MS = 5_000;

async function withServer<T>(
  { place }: Context,
  name: string,
  threads: number,
  task: (registry: Registry) => Promise<T>,
): Promise<T> {
  const folder = place.folder(name);
  const more = { THREADS: String(threads) };
  const registry = await startMarina(place, join(folder, 'data'), join(folder, 'marina.log'), { more });
  try {
    return await task(registry);
  } finally {
    await registry.child.stop();
  }
}

/** Processor time of some work, in microseconds for each of what it counts. */
interface Spent {
  /** Of all threads. */
  readonly all: number;
  /** Of the main thread, which owns the data folder. */
  readonly owner: number;
}

async function spent({ child: { pid } }: Registry, work: () => Promise<{ readonly count: number }>): Promise<Spent> {
  const now = (): Spent => ({ all: processorSeconds(pid), owner: mainThreadSeconds(pid) });
  const before = now();
  const { count } = await work();
  const after = now();
  const each = (name: keyof Spent): number => ((after[name] - before[name]) * 1e6) / count;
  return { all: each('all'), owner: each('owner') };
}

/** Medians over rounds, after one that is not counted. */
async function medians(rounds: number, measure: (round: number) => Promise<Spent>): Promise<Spent> {
  const measured: Spent[] = [];
  for (let round = -1; round < rounds; round++) {
    const found = await measure(round);
    if (round >= 0) measured.push(found);
  }
  const median = (name: keyof Spent): number => spread(measured.map((each) => each[name])).median;
  return { all: median('all'), owner: median('owner') };
}

async function pointOf(context: Context, threads: number, registry: Registry): Promise<Point> {
  const { loadgen, settings, place } = context;
  const { address, child } = registry;
  await sleep(SETTLED_MS);
  const resident = residentOf(child.pid).total;
  const manifest = await pushImage(address, REPOSITORY, TAG, SMALL_LAYERS);
  for (const repository of REPOSITORIES) await pushBlob(address, repository, CONFIG);
  const layer = SMALL_LAYERS[0] ?? new Uint8Array();
  const read = (target: Target) => (): Promise<Load> => {
    const requests = settings.quick ? READS_QUICK : READS;
    return loadgen.run(address, { mode: 'fixed', targets: [target], connections: CONNECTIONS, requests });
  };
  const push = (round: number) => async (): Promise<Load> =>
    await loadgen.run(address, {
      ...{ mode: 'push', repositories: REPOSITORIES, layerBytes: LAYER_BYTES, connections: CONNECTIONS },
      ...{ configDigest: digestOf(CONFIG), configBytes: CONFIG.length, seed: `curve-${round}` },
      seconds: settings.seconds * LENGTHEN,
    });
  const path = `/v2/${REPOSITORY}/manifests/${TAG}`;
  const get = read({ method: 'GET', path, accept: MANIFEST_TYPE, bytes: manifest.bytes.length });
  const head = read({ method: 'HEAD', path: `/v2/${REPOSITORY}/blobs/${digestOf(layer)}`, bytes: 0 });
  const gets = await medians(settings.rounds, () => spent(registry, get));
  const heads = await medians(settings.rounds, () => spent(registry, head));
  const pushes = await medians(settings.rounds, async (round) => {
    await place.call(['sync']);
    return await spent(registry, push(round));
  });
  return {
    x: threads,
    y: { resident, get: gets.all, head: heads.all, push: pushes.all, pushOwner: pushes.owner },
  };
}

const curve: Work = {
  name: 'threads-curve',
  about: `processor time of small reads and of image pushes, and memory, with ${THREADS.join(', ')} threads`,
  long: true,
  run: async (context): Promise<Row[]> => {
    const points: Point[] = [];
    for (const threads of THREADS) {
      points.push(
        await withServer(context, 'threads-curve', threads, (registry) => pointOf(context, threads, registry)),
      );
    }
    return rowsOf('threads-curve', 'processor time of GET manifest by tag, # thread(s)', 'µs', points, 'get');
  },
};

/** Most clients first: a connection that is not used for a minute is closed, and the next one may reach the owner. */
const OWNER = { threads: 4, clients: [32, 8, 1] };
const PROBED = '/v2/';
const MAX_TAGS = 100;

/** Pushes images, each a layer in one request, then its manifest and a tag. @returns how many */
async function pushImages(connection: Connection, repository: string, seed: string, until: number): Promise<number> {
  for (let images = 0; ; images++) {
    if (performance.now() > until) return images;
    const layer = bytesOf(`${seed} ${images}`, LAYER_BYTES);
    const upload = `/v2/${repository}/blobs/uploads/?digest=${digestOf(layer)}`;
    await created(connection.send('POST', upload, layer, 'application/octet-stream'));
    const { bytes } = imageManifest(CONFIG, [layer]);
    await created(connection.send('PUT', `/v2/${repository}/manifests/t${images % MAX_TAGS}`, bytes));
  }
}

async function created(sent: Promise<number>): Promise<void> {
  const status = await sent;
  if (status !== 201) throw new Error(`a push was answered with ${status}`);
}

const owner: Work = {
  name: 'threads-owner',
  about: 'processor time of the thread that owns the data folder for images that other threads receive',
  run: (context): Promise<Row[]> =>
    withServer(context, 'threads-owner', OWNER.threads, async (registry): Promise<Row[]> => {
      const { place, settings, note } = context;
      const { address } = registry;
      const most = Math.max(...OWNER.clients);
      for (const repository of REPOSITORIES) await pushBlob(address, repository, CONFIG);
      const connections = await connectionsBesideOwner(address, most, PROBED);
      const rows: Row[] = [];
      for (const clients of OWNER.clients) {
        const runs: Run[] = [];
        const measured = await medians(settings.rounds, async (round) => {
          await place.call(['sync']);
          const seconds = settings.seconds * LENGTHEN;
          let rate = 0;
          const each = await spent(registry, async () => {
            const until = performance.now() + seconds * 1000;
            const counts = await Promise.all(
              connections
                .slice(0, clients)
                .map((connection, n) =>
                  pushImages(connection, REPOSITORIES[n] ?? '', `${clients} ${round} ${n}`, until),
                ),
            );
            const count = counts.reduce((sum, images) => sum + images, 0);
            rate = count / seconds;
            return { count };
          });
          if (round >= 0) runs.push({ rate: each.owner });
          note(
            `threads-owner: ${clients} client(s): ${rate.toFixed(0)} images/s, ${each.owner.toFixed(0)} µs of the owner`,
          );
          return each;
        });
        for (const connection of connections.slice(0, clients)) {
          if ((await threadOf(address, connection, PROBED)) < 1) throw new Error('the owner got requests of clients');
        }
        const rate = Math.round(1e6 / measured.owner).toLocaleString('en-US');
        note(`threads-owner: ${clients} client(s): the owner alone would end at ${rate} images/s`);
        rows.push({
          ...{ work: 'threads-owner', title: `owner's time for an image of another thread, ${clients} client(s)` },
          ...{ unit: 'µs', values: { marina: measured.owner }, raw: { marina: runs } },
          details: { x: clients, ...measured },
        });
      }
      for (const connection of connections) connection.close();
      return rows;
    }),
};

export const threadCurves: readonly Work[] = [curve, owner];
