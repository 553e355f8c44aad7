import type { Caller } from '../../access/access.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { RepositoriesPage, RepositorySort, SearchResult, Totals } from '../../overview/interface.ts';
import { type ChangesData, loadChanges } from './load-changes.ts';
import { type Folders, loadFolders } from './load-folders.ts';
import type { Sources } from './sources.ts';

export type HomeData =
  /** The visitor may not list repositories. */
  | { readonly kind: 'forbidden' }
  | {
      readonly kind: 'listed';
      readonly page: RepositoriesPage;
      readonly totals: Totals;
      readonly folders: Folders;
      readonly recent: RecentChangesData;
    }
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

/** What happened lately, and where to wait for more. */
export interface RecentChangesData {
  /** A glob for all of the listed repositories; empty: all. */
  readonly repository: string;
  readonly data: ChangesData;
}

const PAGE = 50;
const RECENT = 12;
const HITS = 40;

/** The repositories that the visitor may pull from, or what a search finds in them. */
export async function loadHome(
  { q, under, sort, after }: HomeRequest,
  caller: Caller,
  { overview, registry, changes, policy }: Pick<Sources, 'overview' | 'registry' | 'changes' | 'policy'>,
): Promise<HomeData> {
  if (!policy.allowsRegistry(caller, 'catalog')) return { kind: 'forbidden' };
  if (q === '') {
    // Names have no characters with a meaning in globs.
    const repository = under === undefined ? '' : `${under}/**`;
    const [page, totals, folders, data] = await Promise.all([
      overview.repositories({ sort, under, after, limit: PAGE }, caller),
      overview.totals(caller),
      loadFolders(under, caller, { registry }),
      loadChanges({ repository, show: 'tags', before: undefined }, caller, changes, RECENT),
    ]);
    return { kind: 'listed', page, totals, folders, recent: { repository, data } };
  }
  const [page, result] = await Promise.all([
    overview.repositories({ sort, under, text: q.toLowerCase(), after, limit: PAGE }, caller),
    overview.search({ text: q, offset: 0, limit: HITS }, caller),
  ]);
  return { kind: 'found', result, page };
}
