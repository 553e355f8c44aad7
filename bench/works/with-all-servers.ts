// Servers whose changes somebody gets: a reader of the feed, two webhooks, a replica. All of them run on this machine.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startMarina } from '../peers/marina.ts';
import type { Registry } from '../peers/peer.ts';
import { atRest } from '../processes.ts';
import { bytesOf, digestOf, pushBlob } from '../registry.ts';
import type { Context } from '../work.ts';
import { CLIENTS } from './push.ts';

const LAYER_BYTES = 4096;
const POLITE = ['nice', '-n', '19'];
const WEBHOOKS = ['one', 'two'];
const REPOSITORIES = Array.from({ length: CLIENTS }, (_, n) => `team/service-${n}`);
const CONFIG = bytesOf('config of the pushes with all', 200);

/** Who gets the changes of a server. */
export interface Followers {
  readonly reader?: true;
  readonly webhooks?: true;
  /** `polite`: at the lowest priority, as docs/replicas.md recommends for one beside its source. */
  readonly replica?: true | 'polite';
}

export interface FollowedServer {
  readonly address: string;
  readonly server: Registry['child'];
  readonly replica: Registry['child'] | undefined;
}

export class FollowedServers {
  readonly #context: Context;
  readonly #folder: string;
  readonly #started: Registry[] = [];
  readonly #end = new AbortController();
  readonly #reading: Promise<void>[] = [];
  readonly #receiver = Bun.serve({
    ...{ hostname: '127.0.0.1', port: 0 },
    fetch: async (request) => {
      await request.arrayBuffer();
      this.deliveries++;
      return new Response(null, { status: 204 });
    },
  });
  /** Requests that the receiver of all webhooks got. */
  deliveries = 0;

  /** @param folder for the data of the servers */
  constructor(context: Context, folder: string) {
    this.#context = context;
    this.#folder = folder;
  }

  /** Starts a server whose repositories have the config of the images that `push` pushes. */
  async start(name: string, { reader, webhooks, replica }: Followers = {}): Promise<FollowedServer> {
    const source = await this.#marina(name, webhooks === undefined ? {} : { WEBHOOKS_FILE: this.#webhooksFile(name) });
    const { address, child } = source;
    const through = replica === 'polite' ? POLITE : [];
    const copy = replica && (await this.#marina(`${name}-replica`, { REPLICA_OF: `http://${address}` }, through));
    if (reader) this.#reading.push(readFeed(address, this.#end.signal));
    for (const repository of REPOSITORIES) await pushBlob(address, repository, CONFIG);
    return { address, server: child, replica: copy?.child };
  }

  /** @param seed of the images, which must be new */
  push({ address }: FollowedServer, seed: string, seconds: number, connections = CLIENTS) {
    return this.#context.loadgen.run(address, {
      ...{ mode: 'push', repositories: REPOSITORIES, layerBytes: LAYER_BYTES },
      ...{ configDigest: digestOf(CONFIG), configBytes: CONFIG.length, seed, connections, seconds },
    });
  }

  /** Waits until no server has anything left to do, so that nothing that is made up for slows down what comes next. @returns seconds */
  async atRest(): Promise<number> {
    const begun = performance.now();
    await atRest(this.#started.map(({ child }) => child.pid));
    return (performance.now() - begun) / 1_000;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await Promise.all(this.#reading);
    for (const { child } of this.#started.reverse()) await child.stop();
    await this.#receiver.stop(true);
  }

  async #marina(
    name: string,
    more: Readonly<Record<string, string>>,
    through: readonly string[] = [],
  ): Promise<Registry> {
    const { place } = this.#context;
    const [data, log] = [join(this.#folder, name), join(this.#folder, `${name}.log`)];
    const registry = await startMarina(place, data, log, { more, through });
    this.#started.push(registry);
    return registry;
  }

  #webhooksFile(name: string): string {
    const file = join(this.#folder, `${name}-webhooks.yaml`);
    const webhooks = WEBHOOKS.map((hook) => ({ name: hook, url: `${this.#receiver.url}${hook}`, allowPrivate: true }));
    writeFileSync(file, JSON.stringify({ webhooks }));
    return file;
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
