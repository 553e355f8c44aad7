// Time from the start of the process to the first response for an image, with a large store.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { launchMarina, startMarina } from '../peers/marina.ts';
import { ready } from '../peers/peer.ts';
import { bytesOf, pushImage } from '../registry.ts';
import { spread } from '../stats.ts';
import type { Context, Row, Run, Work } from '../work.ts';
import { tagsOf } from './tags.ts';

const REPOSITORIES = 1000;
const TAGS_EACH = 100;
const PREPARERS = 8;
const MAX_SECONDS = 1;
const POLL_MS = 2;

async function prepare(context: Context, data: string, log: string): Promise<void> {
  const registry = await startMarina(context.place, data, log);
  try {
    const tags = tagsOf(TAGS_EACH);
    const layers = [bytesOf('start', 1024)];
    const queue = Array.from({ length: REPOSITORIES }, (_, n) => repository(n));
    const preparer = async (): Promise<void> => {
      for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
        const manifest = await pushImage(registry.address, name, tags[0] ?? '', layers);
        await registry.plantTags(name, tags, manifest);
      }
    };
    await Promise.all(Array.from({ length: PREPARERS }, preparer));
  } finally {
    await registry.child.stop();
  }
}

function repository(n: number): string {
  return `group-${n % 10}/project-${n}`;
}

export const startWork: Work = {
  name: 'start',
  about: 'start to first answer, 1,000 repositories and 100,000 tags on disk',
  run: async (context): Promise<Row[]> => {
    const { place, settings } = context;
    const folder = place.folder('start');
    const data = join(folder, 'marina');
    const log = join(folder, 'marina.log');
    await prepare(context, data, log);
    const runs: Run[] = [];
    for (let round = 0; round < settings.rounds; round += 1) {
      const begin = performance.now();
      const { address, child } = launchMarina(place, log, { STORAGE_PATH: data });
      const path = `/v2/${repository((round * 397) % REPOSITORIES)}/manifests/${tagsOf(TAGS_EACH)[round]}`;
      await ready(child, `http://${address}${path}`, log, POLL_MS);
      runs.push({ rate: (performance.now() - begin) / 1000 });
      // Every second start follows a crash.
      await (round % 2 === 0 ? child.kill() : child.stop());
    }
    rmSync(folder, { recursive: true, force: true });
    // The slowest start counts, because some user has to wait for it.
    const slowest = spread(runs.map((run) => run.rate)).max;
    const title = 'start to first answer, 100,000 tags';
    return [
      { work: 'start', title, unit: 'seconds', values: { marina: slowest }, most: MAX_SECONDS, raw: { marina: runs } },
    ];
  },
};
