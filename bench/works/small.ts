// Many small requests for manifests and small blobs over 32 connections, compared with a constant response of the same size.
import { startConstant } from '../peers/limit.ts';
import type { Peer } from '../peers/peer.ts';
import { bytesOf, digestOf, MANIFEST_TYPE, pushImage, verifyServed } from '../registry.ts';
import { alternate, compare, perSecond, type Row, type Side, type SideName, type Work } from '../work.ts';
import { EMBEDDED, each, withPeer } from './servers.ts';

export const REPOSITORY = 'library/alpine';
export const TAG = '3.20';
export const CONNECTIONS = 32;
/** With a config and six layers, a manifest has 1.3 KB, like those of real images. */
export const SMALL_LAYERS = Array.from({ length: 6 }, (_, n) => bytesOf(`small layer ${n}`, 3 * 1024));
const LIMIT = { limitName: 'bare Bun', limitBar: 0.5 };

export interface Small {
  name: string;
  about: string;
  method: 'GET' | 'HEAD';
  of: 'manifest' | 'blob';
  bar: number;
}

export function small({ name, about, method, of, bar }: Small, stage = EMBEDDED): Work {
  const { prefix, suffix, cluster } = stage;
  return {
    name: prefix + name,
    about: about + suffix,
    cluster,
    run: async (context): Promise<Row[]> =>
      stage.withPair(context, async (pair) => {
        const { place, loadgen, settings } = context;
        const layer = SMALL_LAYERS[0] ?? new Uint8Array();
        let manifest = new Uint8Array();
        for (const registry of each(pair)) {
          manifest = (await pushImage(registry.address, REPOSITORY, TAG, SMALL_LAYERS)).bytes;
        }
        const [path, bytes] =
          of === 'manifest'
            ? [`/v2/${REPOSITORY}/manifests/${TAG}`, manifest]
            : [`/v2/${REPOSITORY}/blobs/${digestOf(layer)}`, layer];
        for (const registry of each(pair)) {
          await verifyServed(registry.address, path, digestOf(bytes));
        }
        const target = { method, path, accept: MANIFEST_TYPE, bytes: method === 'HEAD' ? 0 : bytes.length };
        const side = (sideName: SideName, { address, child, helpers }: Peer): Side => ({
          name: sideName,
          pid: child.pid,
          helpers,
          run: async () => {
            const { seconds } = settings;
            const order = { mode: 'fixed', targets: [target], connections: CONNECTIONS, seconds } as const;
            return perSecond(await loadgen.run(address, order));
          },
        });
        const sides = [side('marina', pair.marina), side('distribution', pair.distribution)];
        const bars = { work: prefix + name, title: about + suffix, unit: 'requests/s', bar };
        if (cluster) return [compare(bars, await alternate(settings, sides))];
        const constant = await startConstant(place, place.folder('constant'), bytes.length);
        return withPeer(constant, async () => {
          const raw = await alternate(settings, [...sides, side('limit', constant)]);
          return [compare({ ...bars, ...LIMIT }, raw)];
        });
      }),
  };
}

export const smallWorks: Work[] = [
  { name: 'manifest-get', about: 'GET manifest by tag', method: 'GET', of: 'manifest', bar: 10 } as const,
  { name: 'manifest-head', about: 'HEAD manifest by tag', method: 'HEAD', of: 'manifest', bar: 8 } as const,
  { name: 'blob-head', about: 'HEAD blob', method: 'HEAD', of: 'blob', bar: 6 } as const,
  { name: 'blob-get', about: 'GET blob of 3 KB', method: 'GET', of: 'blob', bar: 20 } as const,
].map((each) => small(each));
