// Requests with bodies that a test controls, for tests of body readers.
import { ANONYMOUS } from '../../src/access/access.ts';
import { ANONYMOUS_AUTHORITY } from '../../src/access/authority.ts';
import type { RequestContext } from '../../src/http/context.ts';

type Source = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
export interface Sent {
  readonly context: RequestContext;
  readonly cancelled: () => boolean;
  readonly keptOpen: () => boolean;
}

/** A request with these headers, whose body yields the chunks of the source. */
export function sent(source: Source, headers: Readonly<Record<string, string>> = {}): Sent {
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  let cancelled = false;
  let kept = false;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel() {
      cancelled = true;
    },
  });
  const request = new Request('http://registry.example/', { method: 'PUT', body });
  for (const [name, value] of Object.entries(headers)) request.headers.set(name, value);
  const context: RequestContext = {
    request,
    id: 'id',
    client: undefined,
    tokenService: () => undefined,
    actor: ANONYMOUS,
    authority: ANONYMOUS_AUTHORITY,
    signal: new AbortController().signal,
    origin: () => '',
    siteAddress: () => undefined,
    isSecure: false,
    loginToken: undefined,
    loginName: undefined,
    login: undefined,
    keepOpen: () => {
      kept = true;
    },
    allowSlowReader: () => undefined,
    sendFile: () => new Response(),
    stats: { digest: undefined, received: 0, sent: 0 },
    failed: () => new Response(),
  };
  return { context, cancelled: () => cancelled, keptOpen: () => kept };
}

export async function* breaking(...chunks: Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks;
  throw new Error('the connection broke');
}

export async function* stalling(...chunks: Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks;
  await new Promise(() => {});
}
