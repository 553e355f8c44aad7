import type { RepositoryName } from '../oci/names.ts';
import type { Page } from '../projection/projection.ts';
import type { StoreReader } from '../storage/driver.ts';
import { CATALOG, repositoryOfMarker } from '../storage/paths.ts';

/**
 * The first names after `after`, in ASCII order, of all repositories that ever had a log. The store lists markers in another order
 * (with + for /), so all of them are listed, but only `limit` names are kept in memory.
 */
export async function firstNames(
  reader: StoreReader,
  after: string | undefined,
  limit: number,
): Promise<Page<RepositoryName>> {
  let names: RepositoryName[] = [];
  let isCut = false;
  const cut = (): void => {
    names.sort();
    isCut ||= names.length > limit;
    names = names.slice(0, limit);
  };
  for await (const { key } of reader.list(CATALOG)) {
    const repo = repositoryOfMarker(key);
    if (repo === undefined || (after !== undefined && repo <= after)) continue;
    names.push(repo);
    if (names.length === 2 * limit) cut();
  }
  cut();
  return { items: names, more: isCut };
}
