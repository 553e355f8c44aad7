import { loadStorage, loadStorageMap } from '../../ui/load/load-storage.ts';
import { Storage } from '../../ui/views/storage.tsx';
import { jsonResponse } from './html-response.ts';
import type { PageContext } from './page-context.ts';
import type { PageRoute } from './page-route.ts';
import { showPage } from './show-page.ts';

/** GET /ui/storage */
export async function showStorage(
  { repo }: Extract<PageRoute, { readonly kind: 'storage' }>,
  page: PageContext,
): Promise<Response> {
  const data = await loadStorage(repo, page.context, page.sources);
  const title = repo === undefined ? 'Storage' : `Storage of ${repo}`;
  return await showPage(page, { title }, <Storage data={data} viewer={page.viewer} />);
}

/** GET /ui/storage/map: JSON, a StorageMap. */
export async function sendStorageMap({ context, sources }: PageContext): Promise<Response> {
  return jsonResponse(await loadStorageMap(context, sources), context.stats);
}
