// Collection of large stores: how its time, its memory and its requests grow with the garbage.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ulid } from 'ulid';
import { openS3Store } from '../../src/storage/s3/open.ts';
import { type Services, startServices } from '../peers/services.ts';
import { bucketGround, folderGround, type Growth, MODEL, plant } from '../planting.ts';
import { peakMiB } from '../processes.ts';
import type { Context, Row, Work } from '../work.ts';
import { settingsOf } from './cluster-servers.ts';
import { GC_COMMAND, type Report, reportIn } from './gc.ts';

const MAX_RESIDENT_MIB = 300;
/** Maximum ratio of the CPU time per object, largest store to smallest. */
const MAX_GROWTH = 1.3;
const FOLDER = { normal: [250_000, 500_000, 1_000_000], quick: [10_000, 20_000, 40_000] };
const BUCKET = { normal: [25_000, 50_000, 100_000], quick: [2_000, 4_000, 8_000] };
const OBJECTS_PER_REPOSITORY = 1_000;
const SAMPLE_MS = 50;

/** MinIO updates its counts periodically; this is the maximum interval. */
const MINIO_COUNTS_WITHIN_MS = 12_000;

interface Measured {
  garbage: number;
  report: Report;
  /** Duration of the whole command. */
  seconds: number;
  cpuSeconds: number;
  residentMiB: number;
  /** Requests to the bucket, by S3 operation. */
  requests?: Record<string, number>;
}

function growthOf(garbage: number): Growth {
  return { garbage, live: Math.ceil(garbage / 10), repositories: Math.ceil(garbage / OBJECTS_PER_REPOSITORY) };
}

/** Runs `gc --wait` without a server, so that all resources used are those of the collection. */
async function collectAlone(garbage: number, env: Readonly<Record<string, string>>): Promise<Measured> {
  const begin = performance.now();
  const child = Bun.spawn(GC_COMMAND, {
    env: { ...process.env, ...env },
    ...{ stdin: 'ignore', stdout: 'pipe', stderr: 'ignore' },
  });
  // Not `resourceUsage().maxRSS`: on Linux a child begins with the peak of the process that started it, here of the whole bench.
  let residentMiB = 0;
  const sampling = setInterval(() => {
    residentMiB = (child.exitCode === null ? peakMiB(child.pid) : undefined) ?? residentMiB;
  }, SAMPLE_MS);
  const text = await new Response(child.stdout).text().finally(() => clearInterval(sampling));
  if ((await child.exited) !== 0) throw new Error(`gc ended with ${child.exitCode}: ${text.slice(-300)}`);
  const used = child.resourceUsage();
  if (used === undefined) throw new Error('the system does not report the resources that gc used');
  const report = reportIn(text);
  if (report.freed.objects !== garbage) throw new Error(`${report.freed.objects} objects freed instead of ${garbage}`);
  return {
    ...{ garbage, report, seconds: (performance.now() - begin) / 1000 },
    cpuSeconds: Number(used.cpuTime.total) / 1e6,
    residentMiB,
  };
}

function rowsOf(work: string, where: string, all: readonly Measured[]): Row[] {
  const rates = all.map(({ garbage, seconds }) => ({ rate: garbage / seconds }));
  const [smallest, largest] = [all[0], all.at(-1)];
  if (smallest === undefined || largest === undefined) throw new Error('nothing was measured');
  const label = largest.garbage.toLocaleString('en-US');
  const each = ({ cpuSeconds, garbage }: Measured): number => cpuSeconds / garbage;
  const growth = each(largest) / each(smallest);
  const memory = Math.max(...all.map(({ residentMiB }) => residentMiB));
  const row = (title: string, unit: string, marina: number, most?: number): Row => ({
    ...{ work, title: `${title} ${where}`, unit, values: { marina }, raw: { marina: rates }, details: all },
    ...(most === undefined ? {} : { most }),
  });
  return [
    row(`collection of ${label} objects`, 'seconds', largest.seconds),
    row(`collection of ${label} objects, resident`, 'MiB', memory, MAX_RESIDENT_MIB),
    row(`processor time an object, ${label} over ${smallest.garbage.toLocaleString('en-US')}`, 'x', growth, MAX_GROWTH),
  ];
}

function noteUsage(
  { note }: Context,
  work: string,
  { garbage, seconds, cpuSeconds, residentMiB, requests }: Measured,
): void {
  const sent = requests === undefined ? '' : `, requests ${JSON.stringify(requests)}`;
  const took = `${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s of processor time, ${residentMiB.toFixed(0)} MiB`;
  note(`${work}: ${garbage.toLocaleString('en-US')} objects of garbage took ${took}${sent}`);
}

async function inFolders(context: Context): Promise<Row[]> {
  const { place, settings, say } = context;
  const all: Measured[] = [];
  for (const garbage of settings.quick ? FOLDER.quick : FOLDER.normal) {
    const data = join(place.folder('grown'), 'marina');
    say(`gc-sizes: planting ${garbage.toLocaleString('en-US')} objects of garbage`);
    const ground = folderGround(data);
    writeFileSync(join(data, 'format'), JSON.stringify({ layout: 1, store: ulid() }));
    await plant(growthOf(garbage), ground);
    await place.call(['sync']);
    const measured = await collectAlone(garbage, { STORAGE_PATH: data });
    noteUsage(context, 'gc-sizes', measured);
    all.push(measured);
  }
  return rowsOf('gc-sizes', '(folder)', all);
}

async function plantBucket(services: Services, bucket: string, garbage: number): Promise<void> {
  const folder = services.bucket(bucket);
  const { driver, close } = await openS3Store(
    {
      ...{ s3Bucket: bucket, s3Region: undefined, s3Endpoint: `http://${services.minioAddress}`, s3Prefix: undefined },
      ...{
        s3RedirectEndpoint: undefined,
        s3ForcePathStyle: true,
        s3CaFile: undefined,
        s3InsecureSkipVerify: undefined,
      },
      ...{ awsAccessKeyId: services.credentials.user, awsSecretAccessKey: services.credentials.password },
      ...{ awsSessionToken: undefined, s3PartSize: 5 * 2 ** 20, uploadBuffer: 64 * 2 ** 20 },
    },
    {
      ...{ now: Date.now, random: Math.random, newId: () => ulid(), onRequest: () => {} },
      sleep: async (milliseconds, signal) => {
        const timer = Promise.withResolvers<void>();
        const handle = setTimeout(timer.resolve, milliseconds);
        signal.addEventListener('abort', () => timer.resolve());
        await timer.promise;
        clearTimeout(handle);
      },
    },
  );
  try {
    await plant(growthOf(garbage), await bucketGround(folder, (key, bytes) => driver.put(key, bytes)));
    await driver.delete([MODEL]);
  } finally {
    await close();
  }
}

/** The store's own counts of requests, by S3 operation. */
async function requestsTo({ minioAddress }: Services): Promise<Map<string, number>> {
  await sleep(MINIO_COUNTS_WITHIN_MS);
  const text = await (await fetch(`http://${minioAddress}/minio/v2/metrics/cluster`)).text();
  const found = text.matchAll(/^minio_s3_requests_total\{api="([^"]+)".*\} ([\d.e+]+)$/gm);
  return new Map([...found].map(([, api = '', count]) => [api, Number(count)]));
}

async function inBuckets(context: Context): Promise<Row[]> {
  const { place, settings, tools, say } = context;
  if (tools.services === undefined) throw new Error('this run was started without MinIO');
  const services = await startServices(place, tools.services, place.folder('gc-bucket'));
  const all: Measured[] = [];
  try {
    for (const garbage of settings.quick ? BUCKET.quick : BUCKET.normal) {
      const bucket = `grown-${garbage}`;
      say(`cluster-gc-sizes: planting ${garbage.toLocaleString('en-US')} objects of garbage`);
      await plantBucket(services, bucket, garbage);
      const before = await requestsTo(services);
      // One process and the bucket: with Redis the command would only enqueue the job for a worker.
      const { REDIS_URL: _, ...env } = settingsOf(services, bucket);
      const measured = await collectAlone(garbage, env);
      const after = [...(await requestsTo(services))].map(
        ([api, count]) => [api, count - (before.get(api) ?? 0)] as const,
      );
      all.push({ ...measured, requests: Object.fromEntries(after.filter(([, count]) => count > 0)) });
      noteUsage(context, 'cluster-gc-sizes', all.at(-1) ?? measured);
    }
  } finally {
    await services.stop();
  }
  return rowsOf('cluster-gc-sizes', '(MinIO)', all);
}

export const gcSizeWorks: Work[] = [
  {
    name: 'gc-sizes',
    about: 'collection of up to a million objects of garbage in a folder',
    long: true,
    run: inFolders,
  },
  {
    ...{ name: 'cluster-gc-sizes', about: 'collection of up to 100,000 objects of garbage in MinIO', long: true },
    ...{ cluster: true, run: inBuckets },
  },
];
