// What more threads give: small requests beside one thread and two separate processes, fairness of big pulls, memory and start.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Load, Target } from '../loadgen.ts';
import { launchMarina, startMarina } from '../peers/marina.ts';
import { type Registry, ready } from '../peers/peer.ts';
import { residentOf } from '../processes.ts';
import { digestOf, MANIFEST_TYPE, pushImage, verifyServed } from '../registry.ts';
import { ratios, spread } from '../stats.ts';
import {
  alternate,
  type Context,
  compare,
  mebibytesPerSecond,
  type Row,
  type Run,
  type Side,
  type Work,
} from '../work.ts';
import { EMBEDDED, withPeer } from './servers.ts';
import { CONNECTIONS, REPOSITORY, SMALL_LAYERS, type Small, TAG } from './small.ts';
import { GIBIBYTE, pushBig } from './stream.ts';
import { pausesWork } from './threads-pauses.ts';

const THREADS = 2;
const MIN_OF_PROCESSES = 0.9;
const MAX_TIME = 1.1;

async function start(context: Context, folder: string, name: string, threads: number): Promise<Registry> {
  const more = { THREADS: String(threads) };
  return startMarina(context.place, join(folder, name), join(folder, `${name}.log`), { more });
}

/** Runs a task with servers of that many threads each, on empty folders. */
async function withThreads<T>(
  context: Context,
  counts: readonly number[],
  task: (registries: readonly Registry[], folder: string) => Promise<T>,
): Promise<T> {
  const folder = context.place.folder('threads');
  const registries: Registry[] = [];
  try {
    for (const [n, count] of counts.entries()) registries.push(await start(context, folder, `marina-${n}`, count));
    return await task(registries, folder);
  } finally {
    await Promise.all(registries.map(({ child }) => child.stop()));
  }
}

/**
 * Two clients at once, with half of the connections each, because one client has one thread.
 * @param all where each client has connections, if not only to its own address
 */
async function twoClients(
  context: Context,
  addresses: readonly [string, string],
  target: Target,
  all?: readonly string[],
): Promise<Run> {
  const { loadgen, settings } = context;
  const order = { mode: 'fixed', targets: [target], connections: CONNECTIONS / 2, seconds: settings.seconds } as const;
  const loads = await Promise.all(
    addresses.map((address) => loadgen.run(address, all === undefined ? order : { ...order, addresses: all })),
  );
  const [first, second] = loads;
  if (first === undefined || second === undefined) throw new Error('there are two clients');
  const load: Load = { ...first, count: first.count + second.count, busy: first.busy + second.busy };
  return { rate: loads.reduce((sum, { count, seconds }) => sum + count / seconds, 0), load };
}

function small({ name, about, method, of }: Omit<Small, 'bar'>): Work {
  const work = `threads-${name}`;
  return {
    name: work,
    about: `${about}, ${THREADS} threads beside one and beside ${THREADS} processes`,
    run: (context) =>
      withThreads(context, [1, THREADS, 1, 1], async ([one, many, ...separate]): Promise<Row[]> => {
        const [left, right] = separate;
        if (one === undefined || many === undefined || left === undefined || right === undefined) {
          throw new Error('four servers are needed');
        }
        let manifest = new Uint8Array();
        for (const { address } of [one, many, left, right]) {
          manifest = (await pushImage(address, REPOSITORY, TAG, SMALL_LAYERS)).bytes;
        }
        const layer = SMALL_LAYERS[0] ?? new Uint8Array();
        const [path, bytes] =
          of === 'manifest'
            ? [`/v2/${REPOSITORY}/manifests/${TAG}`, manifest]
            : [`/v2/${REPOSITORY}/blobs/${digestOf(layer)}`, layer];
        for (const { address } of [one, many, left, right]) await verifyServed(address, path, digestOf(bytes));
        const target = { method, path, accept: MANIFEST_TYPE, bytes: method === 'HEAD' ? 0 : bytes.length };
        const side = (sideName: Side['name'], servers: readonly [Registry, Registry]): Side => ({
          name: sideName,
          pid: [...new Set(servers.map(({ child }) => child.pid))],
          run: () => twoClients(context, [servers[0].address, servers[1].address], target),
        });
        const both = [left.address, right.address] as const;
        // With threads, each client has connections to both. A client that has a process for itself stays on its processor.
        const mixed: Side = {
          name: 'mixed',
          pid: [left.child.pid, right.child.pid],
          run: () => twoClients(context, both, target, both),
        };
        const sides = [side('one', [one, one]), side('marina', [many, many]), side('limit', [left, right]), mixed];
        const raw = await alternate(context.settings, sides);
        const title = `${about}, ${THREADS} threads`;
        const limit = { limitName: `${THREADS} processes`, limitBar: MIN_OF_PROCESSES };
        const [single, multi] = [raw.one ?? [], raw.marina ?? []];
        const rate = ratios(
          multi.map((run) => run.rate),
          single.map((run) => run.rate),
        ).median;
        const time = ratios(multi.map(perRequest), single.map(perRequest)).median;
        const alike = { title: `${title}, each client to both`, limitName: `${THREADS} processes` };
        return [
          compare({ work, title, unit: 'requests/s', ...limit }, raw),
          compare({ work, unit: 'requests/s', ...alike }, { ...raw, limit: raw.mixed ?? [] }),
          { work, title: `${title} over one`, unit: 'x', values: { marina: rate }, raw },
          {
            work,
            title: `processor time of ${title} over one`,
            unit: 'x',
            values: { marina: time },
            most: MAX_TIME,
            raw,
          },
        ];
      }),
  };
}

/** CPU seconds of the server for one request. */
function perRequest({ serverCpu = 0, load }: Run): number {
  return serverCpu / (load?.count ?? 0);
}

const UPLOADS = { parallel: 16, bytes: 64 * 2 ** 20, bar: 1.3 };

const uploads: Work = {
  name: 'threads-uploads',
  about: `${UPLOADS.parallel} uploads of 64 MiB at once`,
  run: (context) =>
    EMBEDDED.withPair(
      context,
      async (pair): Promise<Row[]> => {
        const { place, loadgen, settings } = context;
        const { parallel, bytes, bar } = UPLOADS;
        const side = (name: Side['name'], { address, child }: Registry): Side => ({
          name,
          pid: child.pid,
          run: async (round) => {
            const order = { mode: 'upload', repositories: ['big/many'], parallel, bytes, form: 'put' } as const;
            const load = await loadgen.run(address, { ...order, seed: `uploads ${round}` });
            return mebibytesPerSecond(load);
          },
        });
        const sides = [side('marina', pair.marina), side('distribution', pair.distribution)];
        const between = async (): Promise<void> => void (await place.call(['sync']));
        const bars = { work: 'threads-uploads', title: `${parallel} uploads of 64 MiB at once`, unit: 'MiB/s', bar };
        return [compare(bars, await alternate(settings, sides, between))];
      },
      true,
    ),
};

const BESIDE = { pulls: 2, times: 6, connections: 16, most: 2 };
/** Until the pulls have begun. */
const BEGUN_MS = 150;

const headBesidePulls: Work = {
  name: 'threads-head-p99',
  about: 'p99 of HEAD blob beside two pulls of one big blob',
  run: (context) =>
    EMBEDDED.withPair(
      context,
      async (pair): Promise<Row[]> => {
        const { loadgen, settings, note } = context;
        const bytes = settings.quick ? GIBIBYTE / 4 : GIBIBYTE;
        const path = await pushBig(context, [pair.marina, pair.distribution], bytes);
        const side = (name: Side['name'], { address, child }: Registry): Side => ({
          name,
          pid: child.pid,
          run: async () => {
            const pulls = loadgen.run(address, {
              ...{ mode: 'download', path, bytes },
              ...{ parallel: BESIDE.pulls, times: BESIDE.times },
            });
            await sleep(BEGUN_MS);
            const targets = [{ method: 'HEAD', path, bytes: 0 }] as const;
            const { connections } = BESIDE;
            const load = await loadgen.run(address, { mode: 'fixed', targets, connections, seconds: 1 });
            await pulls;
            return { rate: load.p99ms, load };
          },
        });
        const sides = [side('marina', pair.marina), side('distribution', pair.distribution)];
        const raw = await alternate(settings, sides);
        const p99 = (runs: readonly Run[] = []): number => spread(runs.map(({ rate }) => rate)).median;
        note(`threads-head-p99: distribution's p99 was ${p99(raw.distribution).toFixed(2)} ms`);
        const title = `p99 of HEAD blob beside ${BESIDE.pulls} pulls of a big blob`;
        const values = { marina: p99(raw.marina), distribution: p99(raw.distribution) };
        return [{ work: 'threads-head-p99', title, unit: 'ms', values, most: BESIDE.most, raw }];
      },
      true,
    ),
};

const SPREAD = { parallel: 8, runs: 10, most: 2 };

const evenPulls: Work = {
  name: 'threads-even-pulls',
  about: `the slowest of ${SPREAD.parallel} pulls of one big blob over the fastest, ${SPREAD.runs} times`,
  run: (context) =>
    EMBEDDED.withPair(
      context,
      async (pair): Promise<Row[]> => {
        const { loadgen, settings } = context;
        const { parallel, runs, most } = SPREAD;
        const bytes = settings.quick ? GIBIBYTE / 4 : GIBIBYTE;
        const path = await pushBig(context, [pair.marina], bytes);
        const raw: Run[] = [];
        while (raw.length < runs) {
          const order = { mode: 'download', path, parallel, bytes, times: 1 } as const;
          const load = await loadgen.run(pair.marina.address, order);
          raw.push({ rate: (load.slowest ?? Number.NaN) / (load.fastest ?? Number.NaN), load });
        }
        const worst = spread(raw.map(({ rate }) => rate)).max;
        const title = `the slowest of ${parallel} pulls over the fastest, worst of ${runs} runs`;
        return [
          { work: 'threads-even-pulls', title, unit: 'x', values: { marina: worst }, most, raw: { marina: raw } },
        ];
      },
      true,
    ),
};

const MEMORY = { counts: [1, 2, 4], most: 40 };
/** Until memory that the start needed has been returned. */
const SETTLED_MS = 5_000;

const memory: Work = {
  name: 'threads-memory',
  about: 'memory of each further thread of an idle server',
  run: (context) =>
    withThreads(context, MEMORY.counts, async (registries): Promise<Row[]> => {
      await sleep(SETTLED_MS);
      const resident = registries.map(({ child }) => residentOf(child.pid).total);
      const [first = 0] = resident;
      const perThread = MEMORY.counts.slice(1).map((count, n) => ((resident[n + 1] ?? 0) - first) / (count - 1));
      const most = spread(perThread).max;
      return [
        {
          ...{ work: 'threads-memory', title: 'resident of each further thread, idle', unit: 'MiB' },
          ...{ values: { marina: most }, most: MEMORY.most, raw: {}, details: { resident } },
        },
      ];
    }),
};

const START = { most: 0.3, poll: 2 };

const startTime: Work = {
  name: 'threads-start',
  about: `start to first answer with ${THREADS} threads, minus that with one`,
  run: async (context): Promise<Row[]> => {
    const { place, settings } = context;
    const folder = place.folder('threads-start');
    const took = async (threads: number): Promise<Run> => {
      const log = join(folder, 'marina.log');
      const begin = performance.now();
      const env = { STORAGE_PATH: join(folder, `data-${threads}`), THREADS: String(threads) };
      const { address, child } = launchMarina(place, log, env);
      return withPeer({ address, data: folder, child }, async () => {
        await ready(child, `http://${address}/v2/`, log, START.poll);
        return { rate: (performance.now() - begin) / 1000 };
      });
    };
    const sides: Side[] = [
      { name: 'one', run: () => took(1) },
      { name: 'marina', run: () => took(THREADS) },
    ];
    const raw = await alternate(settings, sides);
    const seconds = (runs: readonly Run[] = []): number => spread(runs.map(({ rate }) => rate)).median;
    const title = `start to first answer with ${THREADS} threads minus one`;
    const values = { marina: seconds(raw.marina) - seconds(raw.one) };
    return [{ work: 'threads-start', title, unit: 'seconds', values, most: START.most, raw }];
  },
};

export const threadsWorks: readonly Work[] = [
  small({ name: 'manifest-get', about: 'GET manifest by tag', method: 'GET', of: 'manifest' }),
  small({ name: 'blob-head', about: 'HEAD blob', method: 'HEAD', of: 'blob' }),
  small({ name: 'blob-get', about: 'GET blob of 3 KB', method: 'GET', of: 'blob' }),
  uploads,
  headBesidePulls,
  evenPulls,
  pausesWork,
  memory,
  startTime,
];
