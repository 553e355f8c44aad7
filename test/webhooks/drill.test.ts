// Changes while the server is killed every few seconds and the receivers fail: each arrives, in order per repository.
import { afterAll, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { image, pushImage } from '../support/oci.ts';
import { cleanUp, freePort, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { type Received, startReceiver } from './receivers.ts';

/** WEBHOOK_CHANGES=10000 is the long form. */
const CHANGES = Number(process.env.WEBHOOK_CHANGES ?? 250);
const REPOSITORIES = ['a', 'b', 'team/c', 'team/d'];
const KILL_EVERY_MS = 3_000;
const WITHIN_MS = 120_000 + 150 * CHANGES;

afterAll(cleanUp);

/** Of a tag that was set. */
interface Arrived {
  readonly id: string;
  readonly image: string;
}

function cloudEvent({ body }: Received): readonly Arrived[] {
  const { id, subject } = JSON.parse(body) as { readonly id: string; readonly subject: string };
  return [{ id, image: subject }];
}

function notification({ body }: Received): readonly Arrived[] {
  const { events } = JSON.parse(body) as {
    readonly events: readonly {
      readonly id: string;
      readonly target: { readonly repository: string; readonly tag: string };
    }[];
  };
  return events.map(({ id, target }) => ({ id, image: `${target.repository}:${target.tag}` }));
}

test(
  `${CHANGES} changes arrive, in order per repository, while the sender is killed again and again`,
  async () => {
    let count = 0;
    // Some deliveries are refused, and of some the answer is lost.
    const receiver = startReceiver(async () => {
      count++;
      if (count % 197 === 0) return new Response('no', { status: 503 });
      if (count % 499 === 0) await Bun.sleep(1_500);
      return new Response(null, { status: 204 });
    });
    const folder = temporaryFolder('webhook-drill');
    const path = join(folder, 'webhooks.yaml');
    const common = { allowPrivate: true, events: ['tag.set'], timeout: '1s', since: 'beginning' };
    const { origin } = new URL(receiver.url);
    const webhooks = [
      { name: 'each', url: `${origin}/each`, format: 'cloudevents', ...common },
      { name: 'many', url: `${origin}/many`, format: 'distribution', ...common },
    ];
    writeFileSync(path, JSON.stringify({ webhooks }));
    const settings = { STORAGE_PATH: join(folder, 'data'), WEBHOOKS_FILE: path, PORT: String(freePort()) };
    let server: Server = await startServer(settings);
    const pushed = image();
    for (const repository of REPOSITORIES) await pushImage(server.url, repository, pushed);
    let [isDone, kills] = [false, 0];
    const killing = (async (): Promise<void> => {
      while (!isDone) {
        await Bun.sleep(KILL_EVERY_MS);
        await server.kill();
        kills++;
        server = await startServer(settings);
      }
    })();
    const expected = new Set<string>();
    const setTags = async (repository: string, number: number): Promise<void> => {
      for (let tag = number; tag < CHANGES; tag += REPOSITORIES.length) {
        await setTag(() => server.url, repository, `t${tag}`, pushed);
        expected.add(`${repository}:t${tag}`);
      }
    };
    await Promise.all(REPOSITORIES.map(setTags));
    for (const [hook, read] of [
      ['/each', cloudEvent],
      ['/many', notification],
    ] as const) {
      const arrived = (): readonly Arrived[] => receiver.received.filter((each) => each.path === hook).flatMap(read);
      await eventually(() => {
        const images = new Set(arrived().map((each) => each.image));
        expect([...expected].filter((each) => !images.has(each))).toEqual([]);
      }, WITHIN_MS / 2);
      expect(outOfOrder(arrived())).toEqual([]);
    }
    isDone = true;
    await killing;
    console.log(`${CHANGES} changes, ${kills} kills, ${receiver.received.length} deliveries`);
    expect(kills).toBeGreaterThan(0);
    await receiver.stop();
  },
  WITHIN_MS,
);

/** Sets a tag, again and again until the server has acknowledged it. */
async function setTag(
  url: () => string,
  repository: string,
  tag: string,
  pushed: ReturnType<typeof image>,
): Promise<void> {
  const deadline = performance.now() + 120_000;
  const headers = { 'content-type': pushed.descriptor.mediaType };
  for (;;) {
    try {
      const target = `${url()}/v2/${repository}/manifests/${tag}`;
      const signal = AbortSignal.timeout(10_000);
      const response = await fetch(target, { method: 'PUT', headers, body: pushed.bytes, signal });
      await response.body?.cancel();
      if (response.status === 201) return;
      throw new Error(`the status ${response.status}`);
    } catch (error) {
      // It was killed, or is starting.
      if (performance.now() > deadline) throw error;
      await Bun.sleep(50);
    }
  }
}

/** First arrivals that came after that of a later change of their repository. */
function outOfOrder(arrivals: readonly Arrived[]): readonly string[] {
  const newest = new Map<string, number>();
  const seen = new Set<string>();
  return arrivals.flatMap(({ id }) => {
    const [, repository = '', seq] = /^(.+)@(\d+)\./.exec(id) ?? [];
    const before = newest.get(repository) ?? 0;
    newest.set(repository, Math.max(before, Number(seq)));
    const isFirst = !seen.has(id);
    seen.add(id);
    return isFirst && Number(seq) < before ? [id] : [];
  });
}
