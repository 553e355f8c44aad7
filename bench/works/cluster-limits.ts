// Limits for a cluster: the time of the first read of a view after Redis lost all data, and memory during many large uploads.
import { rmSync } from 'node:fs';
import { bytesOf, pushImage } from '../registry.ts';
import { spread } from '../stats.ts';
import type { Context, Row, Work } from '../work.ts';
import { type MarinaCluster, withCluster } from './cluster-servers.ts';
import { Sampler } from './memory.ts';
import { GIBIBYTE } from './stream.ts';
import { tagsOf } from './tags.ts';

const REPOSITORIES = 1000;
const REPOSITORIES_QUICK = 200;
const TAGS_EACH = 100;
const CONCURRENCY = 8;
const MAX_SECONDS = 2;
const UPLOADS = 16;
const QUICK_BYTES = GIBIBYTE / 4;
const MAX_RESIDENT_MIB = 500;
const NEEDED_BYTES = 24 * GIBIBYTE;

function repository(n: number): string {
  return `group-${n % 10}/project-${n}`;
}

/** Processes the numbers from 0 with bounded concurrency. */
export async function each(count: number, atOnce: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) await work(n);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

async function touchAll({ services, nodes }: MarinaCluster, count: number, tags: readonly string[]): Promise<number[]> {
  await services.client.flushall();
  const seconds: number[] = [];
  await each(count, CONCURRENCY, async (n) => {
    // Any node may get the first request.
    const node = nodes[n % nodes.length];
    const name = repository(n);
    const begin = performance.now();
    const response = await fetch(`http://${node?.address}/v2/${name}/tags/list`);
    const text = await response.text();
    seconds.push((performance.now() - begin) / 1000);
    if (text !== JSON.stringify({ name, tags }))
      throw new Error(`after FLUSHALL ${name} answered ${text.slice(0, 300)}`);
  });
  return seconds;
}

const flushWork: Work = {
  name: 'cluster-flushall',
  about: 'first touch of each of 1,000 repositories with 100,000 tags after FLUSHALL',
  cluster: true,
  long: true,
  run: (context): Promise<Row[]> =>
    withCluster(context, 2, async (cluster) => {
      const [node] = cluster.nodes;
      if (node === undefined) throw new Error('there is no node');
      const count = context.settings.quick ? REPOSITORIES_QUICK : REPOSITORIES;
      const tags = tagsOf(TAGS_EACH);
      const layers = [bytesOf('flushall', 1024)];
      await each(count, CONCURRENCY, async (n) => {
        const manifest = await pushImage(node.address, repository(n), tags[0] ?? '', layers);
        await node.plantTags(repository(n), tags, manifest);
      });
      const rounds: number[][] = [];
      for (let round = 0; round < context.settings.rounds; round += 1) {
        rounds.push(await touchAll(cluster, count, tags));
      }
      // The slowest request counts, because some user has to wait for it.
      const slowest = rounds.map((seconds) => spread(seconds).max);
      const title = `slowest first touch of ${count.toLocaleString('en-US')} repositories after FLUSHALL (cluster)`;
      return [
        {
          ...{ work: 'cluster-flushall', title, unit: 'seconds', most: MAX_SECONDS },
          values: { marina: spread(slowest).max },
          raw: { marina: slowest.map((rate) => ({ rate })) },
          details: { medians: rounds.map((seconds) => spread(seconds).median) },
        },
      ];
    }),
};

async function uploads(context: Context, { services, nodes }: MarinaCluster): Promise<Row> {
  const [node] = nodes;
  if (node === undefined) throw new Error('there is no node');
  const bytes = context.settings.quick ? QUICK_BYTES : GIBIBYTE;
  const sampler = new Sampler(node.child.pid);
  const load = await context.loadgen.run(node.address, {
    ...{ mode: 'upload', repositories: ['memory/uploads'], parallel: UPLOADS, bytes },
    ...{ form: 'patch', seed: 'memory' },
  });
  const samples = sampler.stop();
  const most = samples.reduce((worst, sample) => (sample.total > worst.total ? sample : worst));
  await services.minio.stop();
  rmSync(node.data, { recursive: true, force: true });
  const title = `resident with ${UPLOADS} uploads of ${bytes / 2 ** 20} MiB at once (cluster)`;
  return {
    ...{ work: 'cluster-memory', title, unit: 'MiB', most: MAX_RESIDENT_MIB },
    values: { marina: most.total },
    raw: { marina: [{ rate: most.total, load }] },
    details: { most, samples },
  };
}

const memoryWork: Work = {
  name: 'cluster-memory',
  about: `resident memory of a node with ${UPLOADS} uploads of 1 GiB at once (needs 24 GiB of disk)`,
  cluster: true,
  long: true,
  run: async (context): Promise<Row[]> => {
    if (context.place.freeBytes() < NEEDED_BYTES) {
      throw new Error('the uploads need 24 GiB of free disk space; use --dir for another disk');
    }
    return withCluster(context, 1, async (cluster) => [await uploads(context, cluster)], true);
  },
};

export const limitWorks: Work[] = [flushWork, memoryWork];
