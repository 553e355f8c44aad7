import type { Caller } from '../../access/access.ts';
import type { Change } from '../../feed/change.ts';
import type { Cursor } from '../../feed/cursor.ts';
import type { ChangeFilter, ChangePage, ChangesForCallers, Since } from '../../feed/feed.ts';
import { Patterns } from '../../rule-file/patterns.ts';
import type { HandlerPorts, RequestContext } from '../context.ts';
import { respond } from '../response.ts';
import { type AnswerOf, send } from './answer.ts';
import type { ApiRoute, changes } from './endpoints.ts';

type ChangesRoute = Extract<ApiRoute, { kind: 'api-changes' }>;

/** A comment tells client and proxies that the stream is alive, in milliseconds. */
const COMMENT_EVERY_MS = 15_000;
/** Credentials are checked when a stream begins. It ends after as long as tokens live; clients of event streams connect again. */
const STREAM_MS = 5 * 60_000;
/** Changes that a stream reads at once. */
const STREAM_PAGE = 500;

const STREAM_HEADERS = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' };

type ChangesContext = Caller & Pick<RequestContext, 'request' | 'keepOpen' | 'stats' | 'failed'>;

/** JSON, or a stream of server-sent events if the client accepts that. */
export async function getChanges(
  route: ChangesRoute,
  context: ChangesContext,
  { changes: feed, ending }: Pick<HandlerPorts, 'changes' | 'ending'>,
): Promise<Response> {
  const { request } = context;
  const wantsStream = request.headers.get('accept')?.includes('text/event-stream') === true;
  const filter = filterOf(route);
  const cursor = await feed.start(wantsStream ? resumed(request, route.since) : route.since);
  if (wantsStream && request.method === 'HEAD') return respond(null, { headers: STREAM_HEADERS });
  const reading: Reading = { feed, filter, caller: context, ending: signalOf(context.signal, ending) };
  if (wantsStream) {
    context.keepOpen();
    return respond(streamOf(cursor, reading), { headers: STREAM_HEADERS });
  }
  if (route.wait > 0) context.keepOpen();
  try {
    const { changes: found, cursor: next, more } = await firstPage(cursor, route, reading);
    const answer: AnswerOf<typeof changes> = { changes: found, cursor: next, more };
    return send(context.stats, JSON.stringify(answer));
  } finally {
    reading.ending.release();
  }
}

interface Reading {
  readonly feed: ChangesForCallers;
  readonly filter: ChangeFilter;
  readonly caller: Caller & Pick<RequestContext, 'failed'>;
  readonly ending: Ending;
}

function filterOf({ repository, type }: ChangesRoute): ChangeFilter {
  const glob = repository === undefined ? undefined : new Patterns([repository]);
  return {
    includes: (repo) => glob?.matches(repo) ?? true,
    types: type === undefined ? undefined : new Set(type),
  };
}

/** "When a user agent reconnects, it sends the last event ID" (HTML, server-sent events); it comes before what the address says. */
function resumed(request: Request, since: Since): Since {
  const id = request.headers.get('last-event-id');
  return id === null || id === '' ? since : { kind: 'cursor', text: id };
}

/** The first page that has changes, or the last one before the wait ends. */
async function firstPage(start: Cursor, { wait, limit }: ChangesRoute, reading: Reading): Promise<ChangePage> {
  const { feed, filter, caller, ending } = reading;
  const until = performance.now() + wait * 1_000;
  for (let cursor = start; ; ) {
    const page = await feed.page(cursor, { filter, limit, signal: caller.signal }, caller);
    if (page.changes.length > 0 || performance.now() >= until || ending.signal.aborted) return page;
    ({ cursor } = page);
    if (!page.more) await feed.wait(cursor, { until, signal: ending.signal });
  }
}

function streamOf(start: Cursor, reading: Reading): ReadableStream<Uint8Array> {
  const parts = eventsFrom(start, reading);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await parts.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      reading.ending.release();
      await parts.return(undefined);
    },
  });
}

/** Parts of the stream: each holds whole events, or a comment. */
async function* eventsFrom(start: Cursor, reading: Reading): AsyncGenerator<Uint8Array, void> {
  const { feed, filter, caller, ending } = reading;
  const { signal } = ending;
  const encoder = new TextEncoder();
  const end = performance.now() + STREAM_MS;
  try {
    // Sent at once, so that the client knows that it is connected. Clients connect again after two seconds.
    yield encoder.encode(`retry: 2000\n${idOf(start)}\n`);
    let commentAt = performance.now() + COMMENT_EVERY_MS;
    for (let cursor = start; !signal.aborted && performance.now() < end; ) {
      const page = await feed.page(cursor, { filter, limit: STREAM_PAGE, signal }, caller);
      ({ cursor } = page);
      if (page.changes.length > 0)
        yield encoder.encode(page.changes.map((each, index) => eventOf(each, page.cursorAfter(index))).join(''));
      // Changes that are not for this client must not make the stream silent.
      else if (performance.now() >= commentAt) yield encoder.encode(`: nothing new\n${idOf(cursor)}\n`);
      else {
        if (!page.more) await feed.wait(cursor, { until: Math.min(end, commentAt), signal });
        continue;
      }
      commentAt = performance.now() + COMMENT_EVERY_MS;
    }
  } catch (error) {
    if (signal.aborted) return;
    yield encoder.encode(`event: error\ndata: ${await caller.failed(error).text()}\n\n`);
  } finally {
    ending.release();
  }
}

/**
 * Without data it is no event, but "the last event ID string" of the client is set nevertheless (HTML, server-sent events): one that
 * connects again goes on here, even if it has got no event yet.
 */
function idOf(cursor: Cursor): string {
  return `id: ${cursor}\n`;
}

function eventOf(change: Change, cursor: Cursor): string {
  return `${idOf(cursor)}data: ${JSON.stringify(change)}\n\n`;
}

/** Ends a wait or stream: when the client leaves, or this node. */
interface Ending {
  readonly signal: AbortSignal;
  /** Stops listening. `signal` is aborted then. */
  readonly release: () => void;
}

function signalOf(...signals: readonly AbortSignal[]): Ending {
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort();
    for (const signal of signals) signal.removeEventListener('abort', abort);
  };
  for (const signal of signals) {
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort);
  }
  return { signal: controller.signal, release: abort };
}
