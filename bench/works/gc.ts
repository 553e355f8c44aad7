// Collection after the same deletes in both registries, on one file system, after a sync. Distribution has the machine to itself; Marina
// serves the pushes of four clients at the same time. Marina's time is the sum of the two collections that are needed: the first unlinks
// unreferenced blobs, the second deletes the bytes. It is taken from their reports, without the command that starts them. Distribution's
// time is that of its command, including 20 ms of startup.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { startDistribution } from '../peers/distribution.ts';
import { PROJECT, startMarina } from '../peers/marina.ts';
import type { Place } from '../place.ts';
import { bytesOf, deleteManifest, digestOf, pushImage, verifyServed } from '../registry.ts';
import { spread } from '../stats.ts';
import { type Context, compare, type Row, type Run, type Work } from '../work.ts';
import type { Pair } from './servers.ts';

const BAR = 2;
const MAX_DELETE_MS = 50;
const REPOSITORIES = 20;
const LAYERS = 3;
const LAYER_BYTES = 2048;
/** Images per round, of which one in KEPT stays. */
const IMAGES = { quick: 400, normal: 2_000 };
const KEPT = 5;
const PUSHERS = 8;
const PUSHERS_MEANWHILE = 4;
const GRACE_MS = 1_000;

const reportSchema = z.object({
  startedAt: z.number(),
  finishedAt: z.number(),
  unlinked: z.number(),
  failures: z.number(),
  examined: z.object({ objects: z.number() }),
  freed: z.object({ objects: z.number(), bytes: z.number() }),
  epochs: z.number(),
});
export type Report = z.infer<typeof reportSchema>;

/** The report that `gc --json` prints at its end. */
export function reportIn(text: string): Report {
  return reportSchema.parse(JSON.parse(text.trimEnd().split('\n').at(-1) ?? ''));
}

export const GC_COMMAND = [process.execPath, join(PROJECT, 'src/cli/main.ts'), 'gc', '--wait', '--json'];

async function collectMarina(place: Place, data: string): Promise<Report> {
  return reportIn(await place.call(GC_COMMAND, '', { STORAGE_PATH: data }));
}

interface Made {
  repository: string;
  digest: string;
}

/** Pushes the images of a round, and deletes those that do not stay. @returns how long each delete took, and one image that stays */
async function pushAndDelete(
  address: string,
  round: number,
  images: number,
): Promise<{ deletes: number[]; kept: Made }> {
  const queue = Array.from({ length: images }, (_, n) => n);
  const made: Made[] = [];
  const pusher = async (): Promise<void> => {
    for (let n = queue.pop(); n !== undefined; n = queue.pop()) {
      const repository = `team/app-${n % REPOSITORIES}`;
      const layers = Array.from({ length: LAYERS }, (_, layer) => bytesOf(`${round} ${n} ${layer}`, LAYER_BYTES));
      const manifest = await pushImage(address, repository, `r${round}-${n}`, layers);
      made[n] = { repository, digest: digestOf(manifest.bytes) };
    }
  };
  await Promise.all(Array.from({ length: PUSHERS }, pusher));
  const deletes: number[] = [];
  for (const [n, { repository, digest }] of made.entries()) {
    if (n % KEPT === 0) continue;
    const begin = performance.now();
    await deleteManifest(address, repository, digest);
    deletes.push(performance.now() - begin);
  }
  const [kept] = made;
  if (kept === undefined) throw new Error('no image was pushed');
  return { deletes, kept };
}

/** Pushes images until it is stopped. Each push must be acknowledged. */
async function pushMeanwhile(address: string, round: number, stop: AbortSignal): Promise<number> {
  let pushed = 0;
  const pusher = async (_: unknown, own: number): Promise<void> => {
    for (let n = 0; !stop.aborted; n++) {
      await pushImage(address, 'team/busy', `r${round}-${own}-${n}`, [
        bytesOf(`busy ${round} ${own} ${n}`, LAYER_BYTES),
      ]);
      pushed++;
    }
  };
  await Promise.all(Array.from({ length: PUSHERS_MEANWHILE }, pusher));
  return pushed;
}

/** Files that hold a blob's bytes, in distribution's tree. */
function blobsOf(data: string): number {
  const files = readdirSync(join(data, 'docker/registry/v2/blobs'), { recursive: true, encoding: 'utf8' });
  return files.filter((path) => path.endsWith('/data')).length;
}

interface Rounds {
  marina: Run[];
  distribution: Run[];
  deletes: { marina: number[]; distribution: number[] };
  details: unknown[];
}

async function rounds(context: Context, { marina, distribution }: Pair, config: string): Promise<Rounds> {
  const { place, settings, tools, say } = context;
  const images = settings.quick ? IMAGES.quick : IMAGES.normal;
  const done: Rounds = { marina: [], distribution: [], deletes: { marina: [], distribution: [] }, details: [] };
  for (let round = 0; round < settings.rounds; round++) {
    say(`gc: round ${round + 1}, ${images} images pushed to both, ${KEPT - 1} of ${KEPT} deleted`);
    const ours = await pushAndDelete(marina.address, round, images);
    const theirs = await pushAndDelete(distribution.address, round, images);
    done.deletes.marina.push(...ours.deletes);
    done.deletes.distribution.push(...theirs.deletes);
    await place.call(['sync']);
    // Unreferenced blobs are unlinked after the grace period, and their bytes are deleted after another one.
    await sleep(GRACE_MS);
    const stop = new AbortController();
    const pushing = pushMeanwhile(marina.address, round, stop.signal);
    const reports = [await collectMarina(place, marina.data)];
    await sleep(GRACE_MS + 100);
    reports.push(await collectMarina(place, marina.data));
    stop.abort();
    const pushed = await pushing;
    const seconds = reports.reduce((sum, { startedAt, finishedAt }) => sum + (finishedAt - startedAt) / 1000, 0);
    const freed = reports.reduce((sum, report) => sum + report.freed.objects, 0);
    await place.call(['sync']);
    const before = blobsOf(distribution.data);
    const begin = performance.now();
    await place.call([tools.distribution, 'garbage-collect', '--quiet', config], '', { OTEL_TRACES_EXPORTER: 'none' });
    const theirSeconds = (performance.now() - begin) / 1000;
    const theirFreed = before - blobsOf(distribution.data);
    const deleted = ours.deletes.length * (LAYERS + 1);
    // All images have the same config, which stays.
    if (freed < deleted) throw new Error(`Marina freed ${freed} objects instead of ${deleted}`);
    if (theirFreed !== deleted) throw new Error(`distribution freed ${theirFreed} blobs instead of ${deleted}`);
    for (const [address, { repository, digest }] of [
      [marina.address, ours.kept],
      [distribution.address, theirs.kept],
    ] as const) {
      await verifyServed(address, `/v2/${repository}/manifests/${digest}`, digest);
    }
    done.marina.push({ rate: deleted / seconds });
    done.distribution.push({ rate: deleted / theirSeconds });
    done.details.push({ deleted, pushedMeanwhile: pushed, seconds, theirSeconds, reports });
  }
  return done;
}

async function run(context: Context): Promise<Row[]> {
  const { place, tools } = context;
  const folder = place.folder('gc');
  const settings = { STORAGE_PATH: join(folder, 'marina'), GC_GRACE: `${GRACE_MS}ms`, GC_ENABLED: 'false' };
  const marina = await startMarina(place, settings.STORAGE_PATH, join(folder, 'marina.log'), { cluster: settings });
  const log = join(folder, 'distribution.log');
  try {
    const distribution = await startDistribution(place, tools.distribution, join(folder, 'distribution'), log);
    try {
      const done = await rounds(context, { marina, distribution }, `${log}.yml`);
      const title = 'collection, objects freed (Marina takes pushes meanwhile)';
      const row = compare({ work: 'gc', title, unit: 'objects/s', bar: BAR }, done);
      const deletes = {
        marina: spread(done.deletes.marina).median,
        distribution: spread(done.deletes.distribution).median,
      };
      return [
        { ...row, details: done.details },
        {
          ...{ work: 'gc', title: 'DELETE manifest, median', unit: 'ms', values: deletes, most: MAX_DELETE_MS },
          raw: { marina: done.deletes.marina.map((rate) => ({ rate })) },
        },
      ];
    } finally {
      await distribution.child.stop();
    }
  } finally {
    await marina.child.stop();
  }
}

export const gcWork: Work = {
  name: 'gc',
  about: "collection beside distribution's garbage-collect on the same content, and how long a DELETE takes",
  run,
};
