import { lookup } from 'node:dns/promises';
import { addressOfHost, isPublicAddress } from './public-address.ts';
import type { Webhook } from './webhook.ts';

/** How much of a response's body is read; the connection is closed if there is more. */
const MAX_BODY_BYTES = 64 * 1024;
/** How long a body may take that nobody needs; then the connection is closed. */
const BODY_WITHIN_MS = 1_000;
/** How long the addresses of a name are used before it is looked up again. */
const ADDRESSES_FOR_MS = 10_000;
const IDLE_CONNECTION_SECONDS = 60;

/** The receiver's answer to one attempt. `reason` is one line and shows no secret. */
export type Outcome =
  | { readonly kind: 'accepted'; readonly status: number }
  | { readonly kind: 'failed'; readonly reason: string };

export interface Message {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

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
  readonly #session: Bun.FetchSession;
  /** The URL of the webhook with each address that it may be at. */
  #known: { readonly targets: readonly string[]; readonly until: number } | undefined;
  #resolving: Promise<readonly string[]> | undefined;
  /** Counts the connections, which take the addresses of a name in turn. */
  #turn = 0;

  constructor(webhook: Webhook, ports: SenderPorts) {
    this.#webhook = webhook;
    this.#ports = ports;
    this.#session = new Bun.FetchSession({
      proxy: false,
      keepAlive: { idleTimeout: IDLE_CONNECTION_SECONDS },
      // The URL of a request has an address, and the certificate must be for the name.
      ...(addressOfHost(webhook.url.hostname) === undefined ? { tls: { serverName: webhook.url.hostname } } : {}),
    });
  }

  /**
   * Makes one attempt. It is acknowledged by a status of 2xx. The timeout of the webhook counts from here.
   * @throws the signal's reason once it is aborted; anything else is an outcome
   */
  async send(message: Message, signal: AbortSignal): Promise<Outcome> {
    const { timeout } = this.#webhook;
    // With thousands of attempts a second, AbortSignal.any would take a tenth of their time.
    const ends = new AbortController();
    const end = (): void => ends.abort();
    const timer = setTimeout(end, timeout);
    signal.addEventListener('abort', end);
    try {
      signal.throwIfAborted();
      const target = await this.#target(ends.signal);
      return target === undefined ? this.#refusedAddress() : await this.#post(target, message, ends.signal);
    } catch (error) {
      signal.throwIfAborted();
      // The next attempt uses another address if there is one, or the name's new ones.
      this.#known = undefined;
      return { kind: 'failed', reason: ends.signal.aborted ? `no answer within ${timeout} ms` : reasonOf(error) };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
    }
  }

  close(): void {
    this.#session.close();
  }

  async #post(target: string, { headers, body }: Message, ends: AbortSignal): Promise<Outcome> {
    const response = await this.#session.fetch(target, {
      method: 'POST',
      headers: { ...headers, host: this.#webhook.url.host },
      body,
      redirect: 'manual',
      decompress: false,
      signal: ends,
    });
    await drain(response.body);
    const { status } = response;
    if (status >= 200 && status < 300) return { kind: 'accepted', status };
    const isRedirect = status >= 300 && status < 400;
    return {
      kind: 'failed',
      reason: isRedirect ? `a redirect (${status}), which is not followed` : `the status ${status}`,
    };
  }

  /** @returns undefined if the webhook may not be at any of its addresses */
  async #target(ends: AbortSignal): Promise<string | undefined> {
    const { url, allowPrivate } = this.#webhook;
    const { now } = this.#ports;
    if (this.#known === undefined || now() >= this.#known.until) {
      const literal = addressOfHost(url.hostname);
      const found = literal === undefined ? await orAborted(this.#resolve(), ends) : [literal];
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

function at(url: URL, address: string): string {
  const target = new URL(url);
  target.hostname = address.includes(':') ? `[${address}]` : address;
  return target.href;
}

async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Reads the body, so that the connection can be used again. One that is long, slow or broken is given up. */
async function drain(body: ReadableStream<Uint8Array> | null): Promise<void> {
  if (body === null) return;
  const reader = body.getReader();
  const timer = setTimeout(() => void reader.cancel().catch(ignoreBroken), BODY_WITHIN_MS);
  try {
    let length = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      length += value.length;
      if (length > MAX_BODY_BYTES) {
        await reader.cancel();
        return;
      }
    }
  } catch {
    // The status has been received, and it decides.
  } finally {
    clearTimeout(timer);
  }
}

/** Only the status counts, so a body that cannot even be cancelled does not matter. */
function ignoreBroken(): void {}

/** Names the failure by its code, because messages contain the URL. */
function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return code === undefined ? 'the connection failed' : `the connection failed (${code})`;
}
