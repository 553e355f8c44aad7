import { loadComparison } from '../../ui/load/load-comparison.ts';
import { Compare } from '../../ui/views/compare.tsx';
import type { PageContext } from './page-context.ts';
import type { PageRoute } from './page-route.ts';
import { showPage } from './show-page.ts';

/** GET /ui/compare */
export async function showComparison(
  route: Extract<PageRoute, { readonly kind: 'compare' }>,
  page: PageContext,
): Promise<Response> {
  const data = await loadComparison(route, page.context, page.sources);
  const { result } = data;
  const status = result.kind === 'problem' ? result.status : 200;
  return await showPage(page, { title: 'Compare', status }, <Compare data={data} request={route} />);
}
