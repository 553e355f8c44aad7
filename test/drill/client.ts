import type { Random } from '../support/drill/random.ts';
import { digestOf } from '../support/oci.ts';
import type { Stack } from './stack.ts';
import type { World } from './world.ts';

/** A request that takes longer counts as hanging: nothing in a node waits for longer. */
const HANGS_AFTER_MS = 60_000;
/** Keeps clients that are refused at once from flooding the history. */
const PAUSE_MS = 40;

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

export interface Request {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: NonNullable<RequestInit['body']>;
  /** Directly to that node, without the balancer; only for reads, because Bun repeats requests on broken keep-alive connections. */
  readonly node?: number;
}

/** A client of the registry: counts its requests and their outcomes. */
export class Client {
  readonly world: World;
  readonly random: Random;
  readonly #stack: Stack;
  /** How the last request ended whose outcome is unknown. */
  #failure = '';

  constructor(world: World, stack: Stack, random: Random) {
    this.world = world;
    this.#stack = stack;
    this.random = random;
  }

  /** @returns undefined if the outcome is unknown: no response, or a 5xx */
  async send(method: string, path: string, { headers = {}, body, node }: Request = {}): Promise<Reply | undefined> {
    const { figures } = this.world;
    const base = node === undefined ? this.#stack.url : (this.#stack.nodes[node]?.url ?? this.#stack.url);
    const what = `${method} ${shortened(path)}`;
    const begin = performance.now();
    let status: number | undefined;
    try {
      const response = await fetch(base + path, {
        ...{ method, headers, redirect: 'manual' },
        // Bun silently repeats a request when a keep-alive connection breaks, which hides the outcome of the first.
        keepalive: method === 'GET',
        ...(body === undefined ? {} : { body }),
        signal: AbortSignal.timeout(HANGS_AFTER_MS),
      });
      const bytes = await response.bytes();
      ({ status } = response);
      if (status < 500) return { status, headers: response.headers, bytes };
      this.#failure = `${status} ${new TextDecoder().decode(bytes)}`;
      if (status !== 502 && status !== 503) {
        figures.violate(
          'defects',
          `${method} ${path} at ${seconds(begin)}: ${status} ${new TextDecoder().decode(bytes)}`,
        );
      }
    } catch (error) {
      if (error instanceof Error && error.name === 'TimeoutError') figures.violate('hung', `${method} ${path}`);
      this.#failure = String(error);
      // The drill expects connections that end without a response.
      status = undefined;
    } finally {
      figures.ended(what, performance.now() - begin, status);
      this.world.record({ method, path, node, begin, end: performance.now(), status });
    }
    await Bun.sleep(PAUSE_MS);
    return undefined;
  }

  /** A read for a pull, which must be answered while only Redis fails. */
  async pull(path: string, node?: number): Promise<Reply | undefined> {
    const { figures } = this.world;
    const kills = this.#stack.kills;
    // It may be up again when the refusal is looked at.
    const wasUp = node === undefined || this.#stack.isUp(node);
    figures.pulls++;
    const reply = await this.send('GET', path, node === undefined ? {} : { node });
    if (reply === undefined && this.world.drill.pullsGoOn && wasUp && this.#stack.kills === kills) {
      const at = node === undefined ? 'the balancer' : `node ${node + 1}`;
      figures.violate('pulls failed', `${path} at ${at}, ${new Date().toISOString()}: ${this.#failure}`);
    }
    return reply;
  }

  /** The index of a random node. */
  anyNode(): number {
    return this.random.between(0, this.#stack.nodes.length - 1);
  }

  get nodes(): number {
    return this.#stack.nodes.length;
  }

  /** @returns whether the bytes match the digest */
  checkBytes(what: string, digest: string, bytes: Uint8Array): boolean {
    if (digestOf(bytes) === digest) return true;
    this.world.figures.violate('wrong', `${bytes.length} other bytes came for ${digest} of ${what}`);
    return false;
  }
}

function shortened(path: string): string {
  const [place = ''] = path.split('?');
  return place.replace(/sha256:[0-9a-f]{64}/, '<digest>').replace(/uploads\/.+$/, 'uploads/<id>');
}

function seconds(at: number): string {
  return `${(at / 1000).toFixed(1)} s`;
}
