// What webhooks cost: 50 tags are set in a second, and each of these changes goes to 20 webhooks. The processor time of the server, less
// that of a server without webhooks that gets the same requests. The receiver answers at once.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startMarina } from '../peers/marina.ts';
import type { Registry } from '../peers/peer.ts';
import { bytesOf, type Manifest, pushImage, putManifest } from '../registry.ts';
import { spread } from '../stats.ts';
import { alternate, type Context, type Row, type Side, type Work } from '../work.ts';

const WEBHOOKS = 20;
const CHANGES_PER_SECOND = 50;
const REPOSITORIES = Array.from({ length: 10 }, (_, n) => `team/service-${n}`);
const LENGTHEN = 5;
const ARRIVE_WITHIN_MS = 30_000;
/** Percent of a core. */
const MAX_COST = 5;
const FORMATS = { cloudevents: MAX_COST, distribution: MAX_COST } as const;
const SECRET = 'known-to-the-receiver';

interface Receiver {
  readonly origin: string;
  /** Changes that it got. */
  count: number;
  readonly stop: () => Promise<void>;
}

function startReceiver(): Receiver {
  const receiver = { origin: '', count: 0, stop: () => server.stop(true) };
  const server = Bun.serve({
    ...{ hostname: '127.0.0.1', port: 0 },
    fetch: async (request) => {
      const { events } = (await request.json()) as { readonly events?: readonly unknown[] };
      receiver.count += events?.length ?? 1;
      return new Response(null, { status: 204 });
    },
  });
  receiver.origin = server.url.origin;
  return receiver;
}

/** Sets the tags at an even pace, and waits until all changes have arrived. */
async function setTags(
  address: string,
  images: readonly Manifest[],
  seed: string,
  count: number,
  arrived: () => boolean,
): Promise<void> {
  const begun = performance.now();
  for (let n = 0; n < count; n++) {
    await Bun.sleep(Math.max(0, begun + (1_000 * n) / CHANGES_PER_SECOND - performance.now()));
    const at = n % REPOSITORIES.length;
    const [repository, manifest] = [REPOSITORIES[at], images[at]];
    if (repository === undefined || manifest === undefined) throw new Error(`there is no image ${at}`);
    await putManifest(address, repository, `${seed}-${n}`, manifest);
  }
  const deadline = performance.now() + ARRIVE_WITHIN_MS;
  while (!arrived()) {
    if (performance.now() > deadline) throw new Error('not all changes were delivered');
    await Bun.sleep(20);
  }
}

async function run({ place, settings, note }: Context): Promise<Row[]> {
  const folder = place.folder('webhooks');
  const seconds = settings.seconds * LENGTHEN;
  const count = seconds * CHANGES_PER_SECOND;
  const receiver = startReceiver();
  const started: Registry[] = [];
  const start = async (name: string, more: Readonly<Record<string, string>>): Promise<Registry> => {
    const registry = await startMarina(place, join(folder, name), join(folder, `${name}.log`), { more });
    started.push(registry);
    return registry;
  };
  const sideOf = async (name: Side['name'], { address, child }: Registry, deliveries: number): Promise<Side> => {
    const images: Manifest[] = [];
    for (const repository of REPOSITORIES) {
      images.push(await pushImage(address, repository, 'first', [bytesOf(`layer of ${repository}`, 100)]));
    }
    return {
      name,
      pid: child.pid,
      run: async (round) => {
        receiver.count = 0;
        await setTags(address, images, `round-${round + 1}`, count, () => receiver.count >= deliveries);
        return { rate: CHANGES_PER_SECOND };
      },
    };
  };
  try {
    const rows: Row[] = [];
    const none = await sideOf('one', await start('none', {}), 0);
    for (const [format, most] of Object.entries(FORMATS)) {
      const file = join(folder, `${format}.yaml`);
      const common = { format, secret: SECRET, events: ['tag.set'], allowPrivate: true };
      const webhooks = Array.from({ length: WEBHOOKS }, (_, n) => ({
        ...{ name: `hook-${n}`, url: `${receiver.origin}/${n}` },
        ...common,
      }));
      writeFileSync(file, JSON.stringify({ webhooks }));
      const marina = await sideOf('marina', await start(format, { WEBHOOKS_FILE: file }), count * WEBHOOKS);
      const raw = await alternate(settings, [marina, none]);
      const costs = (raw.marina ?? []).map(
        ({ serverCpu = Number.NaN }, round) => serverCpu - (raw.one?.[round]?.serverCpu ?? Number.NaN),
      );
      const cost = spread(costs.map((each) => (100 * each) / seconds));
      note(`webhooks: ${format}: ${cost.min.toFixed(1)} to ${cost.max.toFixed(1)} % of a core`);
      const title = `${CHANGES_PER_SECOND} changes a second to ${WEBHOOKS} webhooks as ${format}, processor time`;
      rows.push({ work: 'webhooks', title, unit: '% of a core', values: { marina: cost.median }, most, raw });
    }
    return rows;
  } finally {
    for (const { child } of started.reverse()) await child.stop();
    await receiver.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

export const webhooksWork: Work = {
  name: 'webhooks',
  about: 'processor time of deliveries: 50 changes a second to 20 webhooks',
  long: true,
  run,
};
