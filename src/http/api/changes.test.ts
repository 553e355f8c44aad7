import { expect, test } from 'bun:test';
import { getEventListeners } from 'node:events';
import { ANONYMOUS_CALLER } from '../../access/access.ts';
import type { Cursor } from '../../feed/cursor.ts';
import type { ChangePage, ChangesForCallers } from '../../feed/feed.ts';
import { getChanges } from './changes.ts';

const CURSOR = 'a' as Cursor;
const NOTHING: ChangePage = { changes: [], cursor: CURSOR, more: false, cursorAfter: () => CURSOR };

/** A feed without changes, whose readers wait until they are stopped. */
const QUIET: ChangesForCallers = {
  start: async () => CURSOR,
  page: async () => NOTHING,
  latest: async () => ({ changes: [], earlier: undefined, now: CURSOR }),
  wait: async (_cursor, { signal }) => {
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  },
};

/** Sends a request whose client stays connected. */
async function ask(method: string, accept: string, ending: AbortSignal): Promise<Response> {
  const context = {
    ...ANONYMOUS_CALLER,
    request: new Request('http://registry.example/api/v1/changes', { method, headers: { accept } }),
    keepOpen: () => {},
    stats: { digest: undefined, received: 0, sent: 0 },
    failed: () => expect.unreachable(),
  };
  const route = { kind: 'api-changes', since: { kind: 'now' }, limit: 1, wait: 0 } as const;
  return await getChanges(route, context, { changes: QUIET, ending });
}

test('nothing of a request is left when it has ended, whatever it asked for', async () => {
  const ending = new AbortController().signal;
  for (const method of ['GET', 'HEAD']) {
    for (const accept of ['application/json', 'text/event-stream']) {
      const response = await ask(method, accept, ending);
      expect(response.status).toBe(200);
      await response.body?.cancel();
      expect(getEventListeners(ending, 'abort'), `${method}, ${accept}`).toEqual([]);
    }
  }
  expect(getEventListeners(ANONYMOUS_CALLER.signal, 'abort')).toEqual([]);
});
