import { loadTimeline } from '../../ui/load/load-timeline.ts';
import { RepositoryTimeline } from '../../ui/views/repository-timeline.tsx';
import type { PageContext } from './page-context.ts';
import type { PageRoute } from './page-route.ts';
import { showPage } from './show-page.ts';

/** GET /ui/repositories/<name>/-/timeline */
export async function showTimeline(
  { repo, before }: Extract<PageRoute, { readonly kind: 'timeline' }>,
  page: PageContext,
): Promise<Response> {
  const data = await loadTimeline(repo, before, page.context, page.sources);
  return await showPage(
    page,
    { title: `Timeline of ${repo}` },
    <RepositoryTimeline data={data} viewer={page.viewer} />,
  );
}
