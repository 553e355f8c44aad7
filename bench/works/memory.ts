// Resident memory during many concurrent large uploads, and after a million small requests.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Target } from '../loadgen.ts';
import { startMarina } from '../peers/marina.ts';
import { type Resident, residentOf } from '../processes.ts';
import { digestOf, MANIFEST_TYPE, pushImage } from '../registry.ts';
import { spread } from '../stats.ts';
import type { Context, Row, Work } from '../work.ts';
import { SMALL_LAYERS } from './small.ts';
import { GIBIBYTE } from './stream.ts';

const UPLOADS = 32;
const MAX_RESIDENT_MIB = 250;
const MAX_GROWTH_MIB = 10;
const SAMPLE_MS = 100;
const NEEDED_BYTES = 40 * GIBIBYTE;
const FIRST_REQUESTS = 200_000;
const MORE_REQUESTS = 1_000_000;
const CONNECTIONS = 32;
/** Samples after the requests, until the garbage collector is idle. */
const REST_SAMPLES = 30;

export class Sampler {
  readonly samples: Resident[] = [];
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(pid: number) {
    this.samples.push(residentOf(pid));
    this.#timer = setInterval(() => this.samples.push(residentOf(pid)), SAMPLE_MS);
  }

  stop(): Resident[] {
    clearInterval(this.#timer);
    return this.samples;
  }
}

async function uploads(context: Context): Promise<Row> {
  const { place, loadgen, say } = context;
  if (place.freeBytes() < NEEDED_BYTES) {
    throw new Error(`the uploads need ${NEEDED_BYTES / GIBIBYTE} GiB of free disk; --dir can name another one`);
  }
  const folder = place.folder('memory');
  const registry = await startMarina(place, join(folder, 'marina'), join(folder, 'marina.log'));
  try {
    say(`memory: ${UPLOADS} uploads of 1 GiB at once`);
    const sampler = new Sampler(registry.child.pid);
    const load = await loadgen.run(registry.address, {
      mode: 'upload',
      repositories: ['memory/uploads'],
      parallel: UPLOADS,
      bytes: GIBIBYTE,
      form: 'patch',
      seed: 'memory',
    });
    const samples = sampler.stop();
    const most = samples.reduce((worst, sample) => (sample.total > worst.total ? sample : worst));
    return {
      work: 'memory',
      title: `resident with ${UPLOADS} uploads of 1 GiB at once`,
      unit: 'MiB',
      values: { marina: most.total },
      most: MAX_RESIDENT_MIB,
      raw: { marina: [{ rate: most.total, load }] },
      details: { most, samples },
    };
  } finally {
    await registry.child.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function growth(context: Context): Promise<Row> {
  const { place, loadgen, say } = context;
  const folder = place.folder('growth');
  const registry = await startMarina(place, join(folder, 'marina'), join(folder, 'marina.log'));
  try {
    const repository = 'memory/small';
    const { bytes } = await pushImage(registry.address, repository, 'latest', SMALL_LAYERS);
    const layer = SMALL_LAYERS[0] ?? new Uint8Array();
    const blob = `/v2/${repository}/blobs/${digestOf(layer)}`;
    const targets: Target[] = [
      { method: 'GET', path: `/v2/${repository}/manifests/latest`, accept: MANIFEST_TYPE, bytes: bytes.length },
      { method: 'HEAD', path: `/v2/${repository}/manifests/latest`, accept: MANIFEST_TYPE, bytes: 0 },
      { method: 'GET', path: `/v2/${repository}/manifests/${digestOf(bytes)}`, bytes: bytes.length },
      { method: 'GET', path: blob, bytes: layer.length },
      { method: 'HEAD', path: blob, bytes: 0 },
      { method: 'GET', path: `/v2/${repository}/tags/list`, bytes: -1 },
      { method: 'GET', path: `/v2/${repository}/manifests/absent`, status: 404, bytes: -1 },
      { method: 'GET', path: '/v2/', bytes: -1 },
    ];
    const after = async (requests: number): Promise<number> => {
      say(`memory: ${requests.toLocaleString('en-US')} small requests`);
      await loadgen.run(registry.address, { mode: 'fixed', targets, connections: CONNECTIONS, requests });
      const samples: number[] = [];
      for (let n = 0; n < REST_SAMPLES; n += 1) {
        await sleep(SAMPLE_MS);
        samples.push(residentOf(registry.child.pid).total);
      }
      return spread(samples).median;
    };
    const before = await after(FIRST_REQUESTS);
    const grown = (await after(MORE_REQUESTS)) - before;
    return {
      work: 'memory',
      title: 'growth over a million small requests',
      unit: 'MiB',
      values: { marina: grown },
      most: MAX_GROWTH_MIB,
      raw: { marina: [{ rate: grown }] },
      details: { residentAfterFirst: before, residentAtEnd: before + grown },
    };
  } finally {
    await registry.child.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

export const memoryWork: Work = {
  name: 'memory',
  about: 'resident memory with 32 uploads of 1 GiB at once, and over a million small requests (needs 40 GiB of disk)',
  long: true,
  run: async (context) => [await uploads(context), await growth(context)],
};
