import type { Caller } from '../../access/access.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { Sources } from './sources.ts';

/** What repositories have in common: the beginning of their names. */
export interface Folder {
  /** The last component of the path. */
  readonly name: string;
  readonly path: RepositoryName;
  /** Repositories below it that the visitor may pull from. */
  readonly count: number;
}

export interface Folders {
  readonly folders: readonly Folder[];
  /** Whether there are so many repositories that not all were looked at. */
  readonly isCut: boolean;
}

const PAGE = 1_000;
const MAX_PAGES = 10;

/** The folders directly below a path, or below the root. A repository in no folder is in none of them. */
export async function loadFolders(
  under: RepositoryName | undefined,
  caller: Caller,
  { registry }: Pick<Sources, 'registry'>,
): Promise<Folders> {
  const start = under === undefined ? '' : `${under}/`;
  const counts = new Map<string, number>();
  let after: string | undefined = start === '' ? undefined : start;
  for (let page = 0; page < MAX_PAGES; page++) {
    const { items, more, resume } = await registry.repositories({ after, limit: PAGE }, caller);
    for (const repo of items) {
      // Names come in byte order, so those with the same beginning are together.
      if (!repo.startsWith(start)) return { folders: foldersOf(start, counts), isCut: false };
      const slash = repo.indexOf('/', start.length);
      if (slash < 0) continue;
      const name = repo.slice(start.length, slash);
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    after = resume ?? items.at(-1) ?? after;
    if (!more) return { folders: foldersOf(start, counts), isCut: false };
  }
  return { folders: foldersOf(start, counts), isCut: true };
}

/** The beginning of a valid name up to a slash is a valid name, too. */
function foldersOf(start: string, counts: ReadonlyMap<string, number>): Folder[] {
  return Array.from(counts, ([name, count]) => ({ name, path: (start + name) as RepositoryName, count }));
}
