import type { Caller } from '../../access/access.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { RepositoriesPage, RepositorySort, SearchResult, Totals } from '../../overview/interface.ts';
import { type Folders, loadFolders } from './load-folders.ts';
import type { Sources } from './sources.ts';

export type HomeData =
  /** The visitor may not list repositories. */
  | { readonly kind: 'forbidden' }
  | { readonly kind: 'listed'; readonly page: RepositoriesPage; readonly totals: Totals; readonly folders: Folders }
  | { readonly kind: 'found'; readonly result: SearchResult; readonly page: RepositoriesPage };

export interface HomeRequest {
  /** Words to search for; empty: all repositories. */
  readonly q: string;
  /** Only repositories below this name. */
  readonly under: RepositoryName | undefined;
  readonly sort: RepositorySort;
  /** `next` of the page before. */
  readonly after: string | undefined;
}

const PAGE = 50;
const HITS = 40;

/** The repositories that the visitor may pull from, or what a search finds in them. */
export async function loadHome(
  { q, under, sort, after }: HomeRequest,
  caller: Caller,
  { overview, registry, policy }: Pick<Sources, 'overview' | 'registry' | 'policy'>,
): Promise<HomeData> {
  if (!policy.allowsRegistry(caller, 'catalog')) return { kind: 'forbidden' };
  if (q === '') {
    const [page, totals, folders] = await Promise.all([
      overview.repositories({ sort, under, after, limit: PAGE }, caller),
      overview.totals(caller),
      loadFolders(under, caller, { registry }),
    ]);
    return { kind: 'listed', page, totals, folders };
  }
  const [page, result] = await Promise.all([
    overview.repositories({ sort, under, text: q.toLowerCase(), after, limit: PAGE }, caller),
    overview.search({ text: q, offset: 0, limit: HITS }, caller),
  ]);
  return { kind: 'found', result, page };
}
