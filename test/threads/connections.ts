// Requests that each have a connection of their own, so that most of them reach another thread than the one before.

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

const WITHIN_MS = 60_000;

/** Sends one request over a new connection, and reads the whole response. */
export async function send(url: string, init: BunFetchRequestInit = {}): Promise<Reply> {
  const response = await fetch(url, {
    redirect: 'manual',
    signal: AbortSignal.timeout(WITHIN_MS),
    keepalive: false,
    ...init,
  });
  return { status: response.status, headers: response.headers, bytes: await response.bytes() };
}

/** @throws Error if the status is another */
export async function expectSent(status: number, url: string, init: BunFetchRequestInit = {}): Promise<Reply> {
  const reply = await send(url, init);
  if (reply.status === status) return reply;
  const text = new TextDecoder().decode(reply.bytes.subarray(0, 2_000));
  throw new Error(`${init.method ?? 'GET'} ${url}: expected ${status}, got ${reply.status}: ${text}`);
}

/** What a request reports that is sent over this many new connections at once. */
export async function fromAllThreads<T>(ask: () => Promise<T>, connections = 24): Promise<Set<T>> {
  return new Set(await Promise.all(Array.from({ length: connections }, ask)));
}
