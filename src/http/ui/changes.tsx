import type { ChangesForCallers } from '../../feed/feed.ts';
import { changeFilter, loadChanges } from '../../ui/load/load-changes.ts';
import { Changes } from '../../ui/views/changes.tsx';
import { jsonResponse } from './html-response.ts';
import type { PageContext } from './page-context.ts';
import type { PageRoute } from './page-route.ts';
import { showPage } from './show-page.ts';

/** How long a page waits for one answer. Proxies cut longer ones, some at 30 s. */
const WAIT_MS = 20_000;

type Of<Kind extends PageRoute['kind']> = Extract<PageRoute, { readonly kind: Kind }>;

/** GET /ui/changes */
export async function showChanges(route: Of<'changes'>, page: PageContext): Promise<Response> {
  const data = await loadChanges(route, page.context, page.ports.changes);
  return await showPage(page, { title: 'Changes' }, <Changes data={data} request={route} viewer={page.viewer} />);
}

/** GET /ui/changes/new: JSON `{isChanged}`, at once when something came after `since`, else after WAIT_MS. */
export async function waitForChanges(route: Of<'new-changes'>, { context, ports }: PageContext): Promise<Response> {
  context.keepOpen();
  return jsonResponse({ isChanged: await isChanged(route, context, ports.changes, ports.ending) }, context.stats);
}

async function isChanged(
  route: Of<'new-changes'>,
  caller: PageContext['context'],
  feed: ChangesForCallers,
  ending: AbortSignal,
): Promise<boolean> {
  const filter = changeFilter(route);
  const signal = AbortSignal.any([caller.signal, ending]);
  const until = performance.now() + WAIT_MS;
  let cursor = await feed.start({ kind: 'cursor', text: route.since });
  for (;;) {
    const {
      changes,
      cursor: next,
      more,
    } = await feed.page(cursor, { filter, limit: 1, signal: caller.signal }, caller);
    if (changes.length > 0) return true;
    if (signal.aborted || performance.now() >= until) return false;
    cursor = next;
    if (!more) await feed.wait(cursor, { until, signal });
  }
}
