// Pushes while everybody who can get changes gets them: two webhooks, a reader of the feed and a replica, over pushes to a registry without
// any of these. All share the machine, so on few processors the work of the replica and the receiver counts, too. The processor time of the
// server alone for each image is in a row of its own.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startMarina } from '../peers/marina.ts';
import type { Registry } from '../peers/peer.ts';
import { processorSeconds } from '../processes.ts';
import { bytesOf, digestOf, pushBlob } from '../registry.ts';
import { ratios, spread } from '../stats.ts';
import { alternate, type Context, perSecond, type Row, type Run, type Side, type Work } from '../work.ts';
import { CLIENTS } from './push.ts';

/** Without over with all. */
const MAX_RATIO = 1 / 0.9;
const LAYER_BYTES = 4096;
const LENGTHEN = 3;
const WEBHOOKS = ['one', 'two'];
const REPOSITORIES = Array.from({ length: CLIENTS }, (_, n) => `team/service-${n}`);
const CONFIG = bytesOf('config of the pushes with all', 200);

/** A server that uses less than this share of a core has nothing left to do. */
const IDLE_SHARE = 0.05;
const IDLE_WITHIN_MS = 120_000;

/** Waits until no server has anything left to do: what one side leaves must not slow down the next one. @returns seconds */
async function untilIdle(servers: readonly Registry[]): Promise<number> {
  const begun = performance.now();
  const used = (): number => servers.reduce((sum, { child }) => sum + processorSeconds(child.pid), 0);
  for (let before = used(); ; ) {
    await Bun.sleep(1_000);
    const now = used();
    if (now - before < IDLE_SHARE) return (performance.now() - begun) / 1_000;
    if (performance.now() - begun > IDLE_WITHIN_MS) throw new Error('the servers do not come to rest');
    before = now;
  }
}

/** Reads the feed as streams, one after another: the server ends each after some minutes. */
async function readFeed(address: string, signal: AbortSignal): Promise<void> {
  const headers = { accept: 'text/event-stream' };
  try {
    while (!signal.aborted) {
      const response = await fetch(`http://${address}/api/v1/changes?since=now`, { headers, signal });
      for await (const _ of response.body ?? []);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function sideOf(name: 'marina' | 'one', { loadgen, settings }: Context, { address, child }: Registry): Side {
  return {
    name,
    pid: child.pid,
    run: async (round) =>
      perSecond(
        await loadgen.run(address, {
          ...{ mode: 'push', repositories: REPOSITORIES, layerBytes: LAYER_BYTES },
          ...{ configDigest: digestOf(CONFIG), configBytes: CONFIG.length, seed: `with-all-${round + 1}` },
          ...{ connections: CLIENTS, seconds: settings.seconds * LENGTHEN },
        }),
      ),
  };
}

async function run(context: Context): Promise<Row[]> {
  const { place, settings } = context;
  const folder = place.folder('push-with-all');
  const started: Registry[] = [];
  const start = async (name: string, more: Readonly<Record<string, string>> = {}): Promise<Registry> => {
    const registry = await startMarina(place, join(folder, name), join(folder, `${name}.log`), { more });
    started.push(registry);
    return registry;
  };
  let delivered = 0;
  const receiver = Bun.serve({
    ...{ hostname: '127.0.0.1', port: 0 },
    fetch: async (request) => {
      await request.arrayBuffer();
      delivered++;
      return new Response(null, { status: 204 });
    },
  });
  const end = new AbortController();
  try {
    const file = join(folder, 'webhooks.yaml');
    const webhooks = WEBHOOKS.map((name) => ({ name, url: `${receiver.url}${name}`, allowPrivate: true }));
    writeFileSync(file, JSON.stringify({ webhooks }));
    const plain = await start('plain');
    const all = await start('all', { WEBHOOKS_FILE: file });
    await start('replica', { REPLICA_OF: `http://${all.address}` });
    const reading = readFeed(all.address, end.signal);
    for (const { address } of [plain, all])
      for (const repository of REPOSITORIES) await pushBlob(address, repository, CONFIG);
    const sides = [sideOf('marina', context, all), sideOf('one', context, plain)];
    let rest = 0;
    const { marina = [], one = [] } = await alternate(settings, sides, async () => {
      rest = Math.max(rest, await untilIdle(started));
      await place.call(['sync']);
    });
    end.abort();
    await reading;
    context.note(`push-with-all: ${delivered} deliveries; at rest within ${rest.toFixed(0)} s after each side`);
    const row = (title: string, over: number[], under: number[]): Row => {
      const values = { marina: ratios(over, under).median };
      context.note(
        `push-with-all: ${title}: ${spread(over).median.toFixed(2)} over ${spread(under).median.toFixed(2)}`,
      );
      return { work: 'push-with-all', title, unit: 'x', values, most: MAX_RATIO, raw: { marina, one } };
    };
    const rates = (runs: readonly Run[]): number[] => runs.map(({ rate }) => rate);
    const costs = (runs: readonly Run[]): number[] =>
      runs.map(({ rate, serverCpu = Number.NaN }) => (1_000 * serverCpu) / (rate * settings.seconds * LENGTHEN));
    return [
      row('image pushes a second, without over with feed, webhooks and replica', rates(one), rates(marina)),
      row('processor time of the server for an image, with over without, ms', costs(marina), costs(one)),
    ];
  } finally {
    end.abort();
    for (const { child } of started.reverse()) await child.stop();
    await receiver.stop(true);
    rmSync(folder, { recursive: true, force: true });
  }
}

export const pushWithAllWork: Work = {
  name: 'push-with-all',
  about: 'image push while webhooks, a reader of the feed and a replica get every change, over push without',
  long: true,
  run,
};
