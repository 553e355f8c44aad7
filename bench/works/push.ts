// 32 clients push whole images, each with a unique layer of 4 KB, a shared config that is already stored, a manifest and a tag.
import { syncedWrites } from '../peers/limit.ts';
import type { Registry } from '../peers/peer.ts';
import { bytesOf, digestOf, pushBlob } from '../registry.ts';
import { alternate, compare, perSecond, type Row, type Side, type Work } from '../work.ts';
import { EMBEDDED, each } from './servers.ts';

export const CLIENTS = 32;
const LAYER_BYTES = 4096;
const BAR = 5;
const CONFIG = bytesOf('config of the pushes', 200);
/** Disks are noisier than processors, so a run takes this many times as long as one that only reads. */
const LENGTHEN = 1.5;

export function push(name: string, about: string, repositories: string[], bar = BAR, stage = EMBEDDED): Work {
  const title = about + stage.suffix;
  return {
    name: stage.prefix + name,
    about: title,
    cluster: stage.cluster,
    run: async (context): Promise<Row[]> =>
      stage.withPair(context, async (pair) => {
        const { place, loadgen, settings } = context;
        const seconds = settings.seconds * LENGTHEN;
        for (const registry of each(pair)) {
          for (const repository of repositories) {
            await pushBlob(registry.address, repository, CONFIG);
          }
        }
        const side = (sideName: 'marina' | 'distribution', registry: Registry): Side => ({
          name: sideName,
          pid: registry.child.pid,
          helpers: registry.helpers,
          run: async (round) => {
            const load = await loadgen.run(registry.address, {
              mode: 'push',
              repositories,
              layerBytes: LAYER_BYTES,
              configDigest: digestOf(CONFIG),
              configBytes: CONFIG.length,
              seed: `${name}-${round + 1}`,
              connections: CLIENTS,
              seconds,
            });
            return perSecond(load);
          },
        });
        const limit: Side = {
          name: 'limit',
          run: async () => {
            const done = await syncedWrites(place, repositories.length, CLIENTS, LAYER_BYTES, seconds);
            return { rate: done.count / done.seconds };
          },
        };
        const sides = [side('marina', pair.marina), side('distribution', pair.distribution)];
        // Dirty pages of one run must not be written back during the next one.
        const between = async (): Promise<void> => void (await place.call(['sync']));
        const bars = { work: stage.prefix + name, title, unit: 'images/s', bar };
        if (stage.cluster) return [compare(bars, await alternate(settings, sides, between))];
        return [
          compare({ ...bars, limitName: 'synced writes' }, await alternate(settings, [...sides, limit], between)),
        ];
      }),
  };
}

export const pushWorks: Work[] = [
  push('push-one', 'image push, 1 repository', ['team/service']),
  push(
    'push-many',
    'image push, 32 repositories',
    Array.from({ length: CLIENTS }, (_, n) => `team/service-${n}`),
  ),
];
