import type { Database } from 'bun:sqlite';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import type { StoragePart, StorageReport, StorageRequest, Totals } from './interface.ts';
import { MAX_SHARERS, prepareSharing, Sharing, type SharingStatements } from './sharing.ts';
import { isoOf } from './times.ts';
import { type Filter, type Visible, visibleIn } from './visible.ts';

/** The largest contents and the oldest tags that are listed. */
const MAX_LISTED = 100;
/** The largest contents that are looked at for a caller who sees only some. */
const MAX_EXAMINED = 5_000;
/** Links of the visible repositories up to which it is found out what they store, if they are not all. */
const MAX_LINKS = 200_000;

interface PartRow {
  readonly content: number;
  readonly digest: Digest;
  readonly size: number;
  readonly links: number;
}

interface RepositoryRow {
  readonly id: number;
  readonly name: RepositoryName;
  readonly bytes: number;
  readonly shared: number;
  readonly links: number;
}

/** What is stored, and for whom. */
export class Storage {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #sharing: SharingStatements;

  constructor(database: Database) {
    this.#statements = prepare(database);
    this.#sharing = prepareSharing(database);
  }

  totals(visible: Visible): Omit<Totals, 'isComplete' | 'garbage'> {
    const sums = this.#statements.sums.get(visible.filter);
    const { repositories = 0, tags = 0, bytes = 0, links = 0 } = sums ?? {};
    return { repositories, tags: tags ?? 0, bytes: bytes ?? 0, stored: this.#stored(links ?? 0, visible) };
  }

  #stored(links: number, visible: Visible): number | undefined {
    const { stored, storedBy } = this.#statements;
    if (visible.isAll) return stored.get()?.stored;
    if (links > MAX_LINKS) return undefined;
    return storedBy.get({ visible: visible.filter.visible })?.bytes ?? 0;
  }

  report(
    { repo, repositories, parts }: StorageRequest,
    visible: Visible,
  ): Omit<StorageReport, 'isComplete' | 'expiring'> {
    const { largest, oldest, sums } = this.#statements;
    const { filter } = visible;
    const sharing = new Sharing(this.#sharing, visible);
    const rows = largest.all({ ...filter, name: repo ?? null, limit: repositories });
    const all = sums.get(filter);
    const listed = rows.reduce((sum, { bytes }) => sum + bytes, 0);
    return {
      repositories: rows.map((row) => this.#repository(row, parts, sharing, visible)),
      rest:
        repo === undefined
          ? { count: (all?.repositories ?? 0) - rows.length, bytes: (all?.bytes ?? 0) - listed }
          : { count: 0, bytes: 0 },
      largest: this.#largestContents(repo, sharing, visible),
      oldest: oldest.all({ ...filter, name: repo ?? null, limit: MAX_LISTED }).map(({ name, tag, set_at, ...row }) => ({
        ...row,
        repository: name,
        tag,
        set: isoOf(set_at),
      })),
    };
  }

  #repository({ id, name, bytes, shared, links }: RepositoryRow, parts: number, sharing: Sharing, visible: Visible) {
    const rows = this.#statements.parts.all({ repo: id, limit: parts });
    const listed = rows.reduce((sum, { size }) => sum + size, 0);
    return {
      name,
      bytes,
      shared: sharing.bytes(id, shared),
      parts: rows.map((row) => partOf(row, id, sharing, visible)),
      rest: { count: links - rows.length, bytes: bytes - listed },
    };
  }

  /** Each with the first of the repositories that have it. */
  #largestContents(repo: RepositoryName | undefined, sharing: Sharing, visible: Visible): StorageReport['largest'] {
    const { largestContents, repository, parts } = this.#statements;
    const only = repo === undefined ? undefined : repository.get({ name: repo })?.id;
    if (repo !== undefined) {
      const name = only === undefined ? undefined : visible.nameOf(only);
      if (only === undefined || name === undefined) return [];
      const rows = parts.all({ repo: only, limit: MAX_LISTED });
      return rows.map((row) => ({ repository: name, ...partOf(row, only, sharing, visible) }));
    }
    const found: StorageReport['largest'][number][] = [];
    let examined = 0;
    for (const row of largestContents.iterate()) {
      if (found.length === MAX_LISTED || ++examined > MAX_EXAMINED) break;
      const [first] = sharing
        .others(row.content, 0, MAX_SHARERS)
        .flatMap((id) => visible.nameOf(id) ?? [])
        .sort();
      const owner = first === undefined ? undefined : repository.get({ name: first })?.id;
      if (first === undefined || owner === undefined) continue;
      found.push({ repository: first, ...partOf(row, owner, sharing, visible) });
    }
    return found;
  }

  /** Repositories with the content. */
  sharers(digest: Digest, except: RepositoryName, limit: number, visible: Visible): RepositoryName[] {
    const { content, repository } = this.#statements;
    const found = content.get({ digest });
    if (found === null) return [];
    const own = repository.get({ name: except })?.id ?? 0;
    const rows = new Sharing(this.#sharing, visible).others(found.id, own, limit);
    return rows.flatMap((id) => visible.nameOf(id) ?? []);
  }
}

function partOf(
  { content, digest, size, links }: PartRow,
  repo: number,
  sharing: Sharing,
  visible: Visible,
): StoragePart {
  const all = Math.min(links - 1, MAX_SHARERS);
  const sharedWith = visible.isAll || all === 0 ? all : sharing.others(content, repo, MAX_SHARERS).length;
  return { digest, bytes: size, sharedWith };
}

function prepare(database: Database) {
  return {
    sums: database.query<
      { repositories: number; tags: number | null; bytes: number | null; links: number | null },
      Filter
    >(
      `SELECT count(*) AS repositories, sum(tags) AS tags, sum(bytes) AS bytes, sum(links) AS links FROM repository
       WHERE present = 1 AND ${visibleIn('id')}`,
    ),
    stored: database.query<{ stored: number }, []>('SELECT stored FROM total'),
    storedBy: database.query<{ bytes: number | null }, { visible: string }>(
      `SELECT sum(size) AS bytes FROM (SELECT DISTINCT content, size FROM link
       WHERE repo IN (SELECT value FROM json_each($visible)))`,
    ),
    largest: database.query<RepositoryRow, Filter & { name: string | null; limit: number }>(
      `SELECT id, name, bytes, shared, links FROM repository
       WHERE present = 1 AND ($name IS NULL OR name = $name) AND ${visibleIn('id')} ORDER BY bytes DESC, name LIMIT $limit`,
    ),
    parts: database.query<PartRow, { repo: number; limit: number }>(
      `SELECT l.content, c.digest, l.size, c.links FROM link l JOIN content c ON c.id = l.content
       WHERE l.repo = $repo ORDER BY l.size DESC LIMIT $limit`,
    ),
    largestContents: database.query<PartRow, []>(
      'SELECT id AS content, digest, size, links FROM content ORDER BY size DESC',
    ),
    oldest: database.query<
      { name: RepositoryName; tag: Tag; digest: Digest; bytes: number; set_at: number },
      Filter & { name: string | null; limit: number }
    >(
      `SELECT r.name, t.name AS tag, t.digest, m.total AS bytes, t.set_at FROM tag t JOIN repository r ON r.id = t.repo
       JOIN manifest m ON m.repo = t.repo AND m.digest = t.digest
       WHERE ($name IS NULL OR r.name = $name) AND ${visibleIn('t.repo')} ORDER BY t.set_at LIMIT $limit`,
    ),
    content: database.query<{ id: number }, { digest: string }>('SELECT id FROM content WHERE digest = $digest'),
    repository: database.query<{ id: number }, { name: string }>('SELECT id FROM repository WHERE name = $name'),
  };
}
