import { lookup } from 'node:dns/promises';
import { addressOfHost, isPublicAddress } from './public-address.ts';
import { Attempt } from './transport/attempt.ts';
import { FetchTransport } from './transport/fetch-transport.ts';
import { PlainTransport } from './transport/plain-transport.ts';
import type { Message, Transport } from './transport/transport.ts';
import type { Webhook } from './webhook.ts';

/** How long the addresses of a name are used before it is looked up again. */
const ADDRESSES_FOR_MS = 10_000;

/** The receiver's answer to one attempt. `reason` is one line and shows no secret. */
export type Outcome =
  | { readonly kind: 'accepted'; readonly status: number }
  | { readonly kind: 'failed'; readonly reason: string };

/** Looks up the addresses of a name. */
export type ResolveName = (hostname: string) => Promise<readonly string[]>;

export const resolveName: ResolveName = async (hostname) =>
  (await lookup(hostname, { all: true })).map(({ address }) => address);

export interface SenderPorts {
  readonly resolve: ResolveName;
  /** Milliseconds, of a clock that is never set back. */
  readonly now: () => number;
}

/**
 * Sends deliveries to one webhook. A name is looked up once for each connection, and the connection is made to an address that was
 * checked: a second look-up could have another answer (DNS rebinding). Redirects are not followed, and proxies of the
 * environment are not used.
 */
export class Sender {
  readonly #webhook: Webhook;
  readonly #ports: SenderPorts;
  readonly #transport: Transport;
  /** The URL of the webhook with each address that it may be at. */
  #known: { readonly targets: readonly URL[]; readonly until: number } | undefined;
  #resolving: Promise<readonly string[]> | undefined;
  /** Counts the connections, which take the addresses of a name in turn. */
  #turn = 0;

  constructor(webhook: Webhook, ports: SenderPorts) {
    this.#webhook = webhook;
    this.#ports = ports;
    const { protocol, hostname } = webhook.url;
    // The URL of a request has an address, and the certificate must be for the name.
    const serverName = addressOfHost(hostname) === undefined ? hostname : undefined;
    this.#transport = protocol === 'https:' ? new FetchTransport(serverName) : new PlainTransport();
  }

  /**
   * Makes one attempt. It is acknowledged by a status of 2xx. The timeout of the webhook counts from here.
   * @throws the signal's reason once it is aborted; anything else is an outcome
   */
  async send(message: Message, signal: AbortSignal): Promise<Outcome> {
    const { timeout } = this.#webhook;
    signal.throwIfAborted();
    const attempt = new Attempt();
    const timer = setTimeout(() => attempt.end(new Error('the time is up')), timeout);
    const stop = (): void => attempt.end(signal.reason);
    signal.addEventListener('abort', stop);
    try {
      const target = await this.#target(attempt);
      return target === undefined ? this.#refusedAddress() : await this.#post(target, message, attempt);
    } catch (error) {
      signal.throwIfAborted();
      // The next attempt uses another address if there is one, or the name's new ones.
      this.#known = undefined;
      return { kind: 'failed', reason: attempt.hasEnded ? `no answer within ${timeout} ms` : reasonOf(error) };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    }
  }

  close(): void {
    this.#transport.close();
  }

  async #post(target: URL, message: Message, attempt: Attempt): Promise<Outcome> {
    const status = await this.#transport.post(target, this.#webhook.url.host, message, attempt);
    if (status >= 200 && status < 300) return { kind: 'accepted', status };
    const isRedirect = status >= 300 && status < 400;
    return {
      kind: 'failed',
      reason: isRedirect ? `a redirect (${status}), which is not followed` : `the status ${status}`,
    };
  }

  /** @returns undefined if the webhook may not be at any of its addresses */
  async #target(attempt: Attempt): Promise<URL | undefined> {
    const { url, allowPrivate } = this.#webhook;
    const { now } = this.#ports;
    if (this.#known === undefined || now() >= this.#known.until) {
      const literal = addressOfHost(url.hostname);
      const found = literal === undefined ? await attempt.race(this.#resolve()) : [literal];
      const addresses = allowPrivate ? found : found.filter(isPublicAddress);
      this.#known = { targets: addresses.map((address) => at(url, address)), until: now() + ADDRESSES_FOR_MS };
    }
    const { targets } = this.#known;
    return targets[this.#turn++ % targets.length];
  }

  /** A look-up cannot be aborted, and may take longer than an attempt. So there is one at a time. */
  #resolve(): Promise<readonly string[]> {
    this.#resolving ??= this.#ports.resolve(this.#webhook.url.hostname).finally(() => {
      this.#resolving = undefined;
    });
    return this.#resolving;
  }

  #refusedAddress(): Outcome {
    this.#known = undefined;
    return {
      kind: 'failed',
      reason: 'its name leads to this machine or into a private network, which needs `allowPrivate: true`',
    };
  }
}

function at(url: URL, address: string): URL {
  const target = new URL(url);
  target.hostname = address.includes(':') ? `[${address}]` : address;
  return target;
}

/** Names the failure by its code, because messages contain the URL. */
function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return code === undefined ? 'the connection failed' : `the connection failed (${code})`;
}
