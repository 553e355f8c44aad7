import type { Attempt } from './attempt.ts';
import type { Message, Transport } from './transport.ts';

/** How much of a response's body is read; the connection is closed if there is more. */
const MAX_BODY_BYTES = 64 * 1024;
/** How long a body may take that nobody needs; then the connection is closed. */
const BODY_WITHIN_MS = 1_000;
const IDLE_CONNECTION_SECONDS = 60;

/** Over TLS. Proxies of the environment are not used. */
export class FetchTransport implements Transport {
  readonly #session: Bun.FetchSession;

  /** @param serverName the certificate must be for it; undefined: for the address that requests have in their URL */
  constructor(serverName: string | undefined) {
    this.#session = new Bun.FetchSession({
      proxy: false,
      keepAlive: { idleTimeout: IDLE_CONNECTION_SECONDS },
      ...(serverName === undefined ? {} : { tls: { serverName } }),
    });
  }

  async post(target: URL, host: string, { headers, body }: Message, attempt: Attempt): Promise<number> {
    const end = new AbortController();
    const send = async (): Promise<number> => {
      const response = await this.#session.fetch(target.href, {
        ...{ method: 'POST', headers: { ...headers, host }, body, signal: end.signal },
        ...{ redirect: 'manual', decompress: false },
      });
      await drain(response.body);
      return response.status;
    };
    return await attempt.during(send, (reason) => end.abort(reason));
  }

  close(): void {
    this.#session.close();
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
