// What webhooks cost: 50 tags are set in a second, and each of these changes goes to 20 webhooks. The processor time of the server, less
// that of a server without webhooks that gets the same requests. The receiver answers at once.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startMarina } from '../peers/marina.ts';
import type { Registry } from '../peers/peer.ts';
import { processorSeconds } from '../processes.ts';
import { bytesOf, type Manifest, pushImage, putManifest } from '../registry.ts';
import { spread } from '../stats.ts';
import type { Context, Row, Work } from '../work.ts';

const WEBHOOKS = 20;
const CHANGES_PER_SECOND = 50;
const REPOSITORIES = Array.from({ length: 10 }, (_, n) => `team/service-${n}`);
/** Linux counts processor time in steps of 10 ms, and the garbage of some seconds is collected at once: a run is long. */
const LENGTHEN = 10;
const ARRIVE_WITHIN_MS = 30_000;
/** Percent of a core. */
const MAX_COST = 5;
const FORMATS = ['cloudevents', 'cloudevents-batch', 'distribution'] as const;
type Format = (typeof FORMATS)[number];
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
      const body = (await request.json()) as readonly unknown[] | { readonly events?: readonly unknown[] };
      const changes = Array.isArray(body) ? body : 'events' in body ? body.events : undefined;
      receiver.count += changes?.length ?? 1;
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

/** A server, and how many changes the receiver gets for each that is made. */
interface Measured {
  readonly registry: Registry;
  readonly images: readonly Manifest[];
  readonly webhooks: number;
  /** Processor time of each round, in seconds. */
  readonly used: number[];
}

async function run({ place, settings, note, say }: Context): Promise<Row[]> {
  const folder = place.folder('webhooks');
  const seconds = settings.seconds * LENGTHEN;
  const count = seconds * CHANGES_PER_SECOND;
  const receiver = startReceiver();
  const started: Measured[] = [];
  const start = async (name: string, webhooks: number, more: Readonly<Record<string, string>>): Promise<Measured> => {
    const registry = await startMarina(place, join(folder, name), join(folder, `${name}.log`), { more });
    const images: Manifest[] = [];
    const measured = { registry, images, webhooks, used: [] };
    started.push(measured);
    for (const repository of REPOSITORIES)
      images.push(await pushImage(registry.address, repository, 'first', [bytesOf(`layer of ${repository}`, 100)]));
    return measured;
  };
  const measure = async ({ registry, images, webhooks, used }: Measured, round: number): Promise<void> => {
    receiver.count = 0;
    const before = processorSeconds(registry.child.pid);
    await setTags(registry.address, images, `round-${round + 1}`, count, () => receiver.count >= count * webhooks);
    if (round >= 0) used.push(processorSeconds(registry.child.pid) - before);
  };
  try {
    const none = await start('none', 0, {});
    const formats = new Map<Format, Measured>();
    for (const format of FORMATS) {
      const file = join(folder, `${format}.yaml`);
      const common = { format, secret: SECRET, events: ['tag.set'], allowPrivate: true };
      const webhooks = Array.from({ length: WEBHOOKS }, (_, n) => ({
        ...{ name: `hook-${n}`, url: `${receiver.origin}/${n}` },
        ...common,
      }));
      writeFileSync(file, JSON.stringify({ webhooks }));
      formats.set(format, await start(format, WEBHOOKS, { WEBHOOKS_FILE: file }));
    }
    // Round -1 warms up: thousands of deliveries, until their code is compiled.
    for (let round = -1; round < settings.rounds; round++) {
      say(`webhooks: round ${round + 1} of ${settings.rounds}, ${seconds * started.length} s`);
      for (const server of round % 2 === 0 ? started : [...started].reverse()) await measure(server, round);
    }
    return [...formats].map(([format, { used }]): Row => {
      const shares = used.map((each, round) => (100 * (each - (none.used[round] ?? Number.NaN))) / seconds);
      const cost = spread(shares);
      const each = (10_000 * cost.median) / (CHANGES_PER_SECOND * WEBHOOKS);
      note(
        `webhooks: ${format}: ${cost.min.toFixed(2)} to ${cost.max.toFixed(2)} % of a core, ${each.toFixed(0)} µs for a change and webhook`,
      );
      const title = `${CHANGES_PER_SECOND} changes a second to ${WEBHOOKS} webhooks as ${format}, processor time`;
      const values = { marina: cost.median };
      return { work: 'webhooks', title, unit: '% of a core', values, most: MAX_COST, raw: {}, details: { shares } };
    });
  } finally {
    for (const { registry } of started.reverse()) await registry.child.stop();
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
