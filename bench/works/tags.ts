// Tag lists: one page in the middle, and whole walks that follow Link.

import type { Registry } from '../peers/peer.ts';
import { bytesOf, type Manifest, pushImage } from '../registry.ts';
import { alternate, compare, perSecond, type Row, type Side, type SideName, type Work } from '../work.ts';
import { EMBEDDED, each } from './servers.ts';

const REPOSITORY = 'team/builds';
const PAGE = 100;
/** distribution's largest page size. */
const WALK_PAGE = 1000;
const PAGE_BAR = 50;
const WALK_BAR = 20;
const CONNECTIONS = 4;
/** A walk is repeated until it takes at least this long, to be measurable. */
const MIN_SECONDS = 0.5;
const MAX_REPEATS = 400;

export function tagsOf(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `build-${String(n).padStart(6, '0')}`);
}

interface TagBars {
  page: number;
  /** The bar of a walk in pages. */
  walk?: number;
  /** The bar of a walk without a page size. */
  whole?: number;
}

export function tags(count: number, long: boolean, bars: TagBars, stage = EMBEDDED): Work {
  const label = count.toLocaleString('en-US');
  const name = `${stage.prefix}tags-${count}`;
  return {
    name,
    about: `tags/list of a repository with ${label} tags${stage.suffix}`,
    long,
    cluster: stage.cluster,
    run: async (context): Promise<Row[]> =>
      stage.withPair(context, async (pair) => {
        const { loadgen, settings, say } = context;
        const all = tagsOf(count);
        for (const registry of each(pair)) {
          const manifest: Manifest = await pushImage(registry.address, REPOSITORY, all[0] ?? '', [bytesOf(name, 1024)]);
          say(`${name}: making ${label} tags (${registry === pair.marina ? 'Marina' : 'distribution'})`);
          await registry.plantTags(REPOSITORY, all, manifest);
        }
        const sides = (run: (registry: Registry) => Side['run']): Side[] => [
          side('marina', pair.marina, run(pair.marina)),
          side('distribution', pair.distribution, run(pair.distribution)),
        ];
        const list = `/v2/${REPOSITORY}/tags/list`;
        const page = `${list}?n=${PAGE}&last=${all[count / 2 - 1]}`;
        const middle = all.slice(count / 2, count / 2 + PAGE);
        const pages = await alternate(
          settings,
          sides((registry) => async () => {
            const bytes = await verifyPage(registry.address, page, middle);
            const targets = [{ method: 'GET', path: page, bytes } as const];
            const { seconds } = settings;
            return perSecond(
              await loadgen.run(registry.address, { mode: 'fixed', targets, connections: CONNECTIONS, seconds }),
            );
          }),
        );
        const rows = [
          compare(
            {
              work: name,
              title: `tags/list, page of ${PAGE} of ${label}${stage.suffix}`,
              unit: 'pages/s',
              bar: bars.page,
            },
            pages,
          ),
        ];
        // distribution lists all tags for each page, so one walk on S3 takes many minutes.
        if (stage.cluster && long) return rows;
        for (const [path, words, bar] of [
          [`${list}?n=${WALK_PAGE}`, `in pages of ${WALK_PAGE}`, bars.walk],
          [list, 'no page size asked', bars.whole],
        ] as const) {
          const walks = await alternate(
            settings,
            sides((registry) => async () => {
              const order = { mode: 'walk', path, tags: count } as const;
              const once = await loadgen.run(registry.address, { ...order, times: 1 });
              const times = Math.min(MAX_REPEATS, Math.ceil(MIN_SECONDS / once.seconds));
              return perSecond(times > 1 ? await loadgen.run(registry.address, { ...order, times }) : once);
            }),
          );
          const title = `tags/list, walk of ${label}, ${words}${stage.suffix}`;
          rows.push(compare({ work: name, title, unit: 'walks/s', ...(bar === undefined ? {} : { bar }) }, walks));
        }
        return rows;
      }),
  };
}

/** Verifies all tags of a page and returns the length of its body. */
async function verifyPage(address: string, path: string, wanted: string[]): Promise<number> {
  const response = await fetch(`http://${address}${path}`);
  const text = await response.text();
  const body: unknown = JSON.parse(text);
  if (JSON.stringify(body) !== JSON.stringify({ name: REPOSITORY, tags: wanted })) {
    throw new Error(`GET ${path} answered ${response.status} ${JSON.stringify(body).slice(0, 300)}`);
  }
  if (!response.headers.get('link')?.includes('rel="next"')) {
    throw new Error(`GET ${path} has no Link although more remains`);
  }
  return text.length;
}

function side(name: SideName, { child, helpers }: Registry, run: Side['run']): Side {
  return { name, pid: child.pid, helpers, run };
}

const BARS = { page: PAGE_BAR, walk: WALK_BAR };

export const tagWorks: Work[] = [tags(10_000, false, BARS), tags(100_000, true, BARS)];
