// What webhooks cost: 50 tags are set in a second, and each of these changes goes to 20 webhooks. The processor time of a server while it
// has the webhooks, less that of the same server while it has none: WEBHOOKS_FILE changes between short windows with the same requests,
// so neither the age of a process nor a drift of the machine's speed is taken for a cost of webhooks. Few requests set the tags, so that what
// is subtracted is small beside what is measured. The receiver answers at once.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startMarina } from '../peers/marina.ts';
import type { Registry } from '../peers/peer.ts';
import { atRest, processorSeconds } from '../processes.ts';
import { bytesOf, digestOf, type Manifest, pushImage, putManifest } from '../registry.ts';
import { spread } from '../stats.ts';
import type { Context, Row, Work } from '../work.ts';

const WEBHOOKS = 20;
const CHANGES_PER_SECOND = 50;
const REPOSITORIES = Array.from({ length: 10 }, (_, n) => `team/service-${n}`);
/** Tags set by one request. */
const TAGS = 5;
const REQUESTS_PER_SECOND = CHANGES_PER_SECOND / TAGS;
/** A window is this many times as long as the timed runs of other works: Linux counts processor time in steps of 10 ms. */
const LENGTHEN = 4;
/** Pairs of windows for each round. */
const PAIRS = 2;
/** How long a window goes on after its last request, in seconds. A note is written once a second, so by then all should have arrived. */
const TAIL_SECONDS = 2;
const ARRIVE_WITHIN_MS = 60_000;
/** What the server logs when it has read the changed file. */
const RELOADED = 'a changed configuration file is in use';
/** Percent of a core. */
const MAX_COST = 5;
const FORMATS = ['cloudevents', 'cloudevents-batch', 'distribution'] as const;
type Format = (typeof FORMATS)[number];

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
      const changes: unknown = 'events' in body ? body.events : body;
      receiver.count += Array.isArray(changes) ? changes.length : 1;
      return new Response(null, { status: 204 });
    },
  });
  receiver.origin = server.url.origin;
  return receiver;
}

async function until(isTrue: () => boolean, what: string): Promise<void> {
  for (const deadline = performance.now() + ARRIVE_WITHIN_MS; !isTrue(); await Bun.sleep(20))
    if (performance.now() > deadline) throw new Error(`${what} takes too long`);
}

/** One server, whose webhooks come and go. */
class Side {
  readonly #registry: Registry;
  readonly #receiver: Receiver;
  readonly #paths: { readonly file: string; readonly log: string };
  readonly #webhooks: readonly object[];
  readonly #images: readonly Manifest[];
  /** Changes made so far. A webhook gets those that were made while it was away when it comes back. */
  #set = 0;
  #reloads = 0;
  #hasWebhooks = false;

  private constructor(
    registry: Registry,
    receiver: Receiver,
    paths: { readonly file: string; readonly log: string },
    webhooks: readonly object[],
    images: readonly Manifest[],
  ) {
    this.#registry = registry;
    this.#receiver = receiver;
    this.#paths = paths;
    this.#webhooks = webhooks;
    this.#images = images;
  }

  static async start({ place }: Context, folder: string, format: Format, receiver: Receiver): Promise<Side> {
    const paths = { file: join(folder, `${format}.yaml`), log: join(folder, `${format}.log`) };
    const common = { format, secret: 'known-to-the-receiver', events: ['tag.set'], allowPrivate: true };
    const webhooks = Array.from({ length: WEBHOOKS }, (_, n) => ({
      ...{ name: `hook-${n}`, url: `${receiver.origin}/${n}`, since: 'beginning' },
      ...common,
    }));
    writeFileSync(paths.file, JSON.stringify({ webhooks: [] }));
    const more = { WEBHOOKS_FILE: paths.file };
    const registry = await startMarina(place, join(folder, format), paths.log, { more });
    const images: Manifest[] = [];
    for (const repository of REPOSITORIES)
      images.push(await pushImage(registry.address, repository, 'first', [bytesOf(`layer of ${repository}`, 100)]));
    receiver.count = 0;
    const side = new Side(registry, receiver, paths, webhooks, images);
    side.#set = REPOSITORIES.length;
    return side;
  }

  /** @returns processor time of a window, in seconds; between windows the server comes to rest */
  async window(withWebhooks: boolean, seconds: number): Promise<number> {
    const { pid } = this.#registry.child;
    if (withWebhooks !== this.#hasWebhooks) {
      writeFileSync(this.#paths.file, JSON.stringify({ webhooks: withWebhooks ? this.#webhooks : [] }));
      this.#hasWebhooks = withWebhooks;
      this.#reloads++;
    }
    await until(() => this.#countReloads() >= this.#reloads, 'reading the changed file');
    if (withWebhooks) await this.#arrived();
    await atRest([pid]);
    const before = processorSeconds(pid);
    const end = performance.now() + 1_000 * (seconds + TAIL_SECONDS);
    await this.#setTags(seconds);
    await Bun.sleep(Math.max(0, end - performance.now()));
    // On a machine with much other work the deliveries give way, and the last ones come later.
    if (withWebhooks) await this.#arrived();
    return processorSeconds(pid) - before;
  }

  async stop(): Promise<void> {
    await this.#registry.child.stop();
  }

  async #setTags(seconds: number): Promise<void> {
    const begun = performance.now();
    for (let n = 0; n < seconds * REQUESTS_PER_SECOND; n++) {
      await Bun.sleep(Math.max(0, begun + (1_000 * n) / REQUESTS_PER_SECOND - performance.now()));
      const at = n % REPOSITORIES.length;
      const [repository, manifest] = [REPOSITORIES[at], this.#images[at]];
      if (repository === undefined || manifest === undefined) throw new Error(`there is no image ${at}`);
      const tags = Array.from({ length: TAGS }, (_, tag) => `tag=t-${this.#set + tag}`);
      await putManifest(this.#registry.address, repository, `${digestOf(manifest.bytes)}?${tags.join('&')}`, manifest);
      this.#set += TAGS;
    }
  }

  #countReloads(): number {
    return readFileSync(this.#paths.log, 'utf8').split(RELOADED).length - 1;
  }

  async #arrived(): Promise<void> {
    await until(() => this.#receiver.count >= this.#set * WEBHOOKS, 'the delivery of all changes');
  }
}

interface Pair {
  readonly with: number;
  readonly without: number;
}

async function measure(context: Context, folder: string, format: Format): Promise<readonly Pair[]> {
  const { settings, say } = context;
  const seconds = settings.seconds * LENGTHEN;
  const count = settings.rounds * PAIRS;
  const receiver = startReceiver();
  const side = await Side.start(context, folder, format, receiver);
  try {
    const pairs: Pair[] = [];
    // Pair -1 warms up: thousands of deliveries, until their code is compiled.
    for (let pair = -1; pair < count; pair++) {
      say(`webhooks: ${format}, pair ${pair + 1} of ${count}`);
      const used = { with: 0, without: 0 };
      const order = ['with', 'without'] as const;
      for (const which of pair % 2 === 0 ? order : order.toReversed())
        used[which] = await side.window(which === 'with', seconds);
      if (pair >= 0) pairs.push(used);
    }
    return pairs;
  } finally {
    await side.stop();
    await receiver.stop();
  }
}

async function run(context: Context): Promise<Row[]> {
  const { place, settings, note } = context;
  const folder = place.folder('webhooks');
  const seconds = settings.seconds * LENGTHEN;
  try {
    const rows: Row[] = [];
    for (const format of FORMATS) {
      const pairs = await measure(context, folder, format);
      const percent = (used: readonly number[]) => spread(used.map((each) => (100 * each) / seconds));
      const cost = percent(pairs.map((pair) => pair.with - pair.without));
      const [all, rest] = [percent(pairs.map((pair) => pair.with)), percent(pairs.map(({ without }) => without))];
      const each = (10_000 * cost.median) / (CHANGES_PER_SECOND * WEBHOOKS);
      note(
        `webhooks: ${format}: ${cost.min.toFixed(2)} to ${cost.max.toFixed(2)} % of a core in ${pairs.length} pairs (${all.median.toFixed(2)} with, ${rest.median.toFixed(2)} without), ${each.toFixed(0)} µs for a change and webhook`,
      );
      const title = `${CHANGES_PER_SECOND} changes a second to ${WEBHOOKS} webhooks as ${format}, processor time`;
      const values = { marina: cost.median };
      rows.push({ work: 'webhooks', title, unit: '% of a core', values, most: MAX_COST, raw: {}, details: pairs });
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const webhooksWork: Work = {
  name: 'webhooks',
  about: 'processor time of deliveries: 50 changes a second to 20 webhooks',
  long: true,
  run,
};
