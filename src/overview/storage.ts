import type { Database } from 'bun:sqlite';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import { Effort } from './effort.ts';
import type { PulledAt, StoragePart, StorageReport, StorageRequest, Totals } from './interface.ts';
import { MAX_SHARERS, prepareSharing, Sharing, type SharingStatements } from './sharing.ts';
import { isoOf } from './times.ts';
import { type Filter, type Visible, visibleIn } from './visible.ts';

/** The largest contents and the oldest tags that are listed. */
const MAX_LISTED = 100;
/** Tags that are compared by their last use: those that were set the longest ago. */
const MAX_COMPARED = 2_000;
/** The largest contents that are looked at for a caller who sees only some. */
const MAX_EXAMINED = 5_000;
/** With more links of visible repositories than this, what they store is not computed, unless they are all repositories. */
const MAX_LINKS = 200_000;
/** If the visible repositories have at most MAX_TAGS tags, all are compared, otherwise the oldest MAX_TAGS_EXAMINED. */
const [MAX_TAGS, MAX_TAGS_EXAMINED] = [200_000, 20_000];

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

interface TagRow {
  readonly repo: number;
  readonly tag: Tag;
  readonly digest: Digest;
  readonly bytes: number;
  readonly set_at: number;
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
    if (visible.size === 0) return { repositories: 0, tags: 0, bytes: 0, stored: 0 };
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
    pulledAt?: PulledAt,
  ): Omit<StorageReport, 'isComplete' | 'expiring'> {
    const { largest, sums } = this.#statements;
    const knowsPulls = pulledAt !== undefined;
    if (visible.size === 0) {
      return { repositories: [], rest: { count: 0, bytes: 0 }, largest: [], oldest: [], knowsPulls };
    }
    const { filter } = visible;
    const sharing = new Sharing(this.#sharing, visible);
    const rows = largest.all({ ...filter, name: repo ?? null, limit: repositories });
    const all = sums.get(filter);
    const listed = rows.reduce((sum, { bytes }) => sum + bytes, 0);
    return {
      repositories: rows.flatMap((row) => this.#repository(row, parts, sharing, visible)),
      rest:
        repo === undefined
          ? { count: (all?.repositories ?? 0) - rows.length, bytes: (all?.bytes ?? 0) - listed }
          : { count: 0, bytes: 0 },
      largest: this.#largestContents(repo, visible),
      oldest: this.#oldest(repo, all?.tags ?? 0, visible, pulledAt),
      knowsPulls,
    };
  }

  /** @param tags those of the visible repositories */
  #oldest(
    repo: RepositoryName | undefined,
    tags: number,
    visible: Visible,
    pulledAt: PulledAt | undefined,
  ): StorageReport['oldest'] {
    const { repository, oldest, oldestIn } = this.#statements;
    const isFew = !visible.isAll && tags <= MAX_TAGS;
    const visibleIds = isFew ? [...visible.ids] : undefined;
    const ids = repo === undefined ? visibleIds : [repository.get({ name: repo })?.id ?? 0];
    // Pulls change the order, so more tags are compared than are listed.
    const limit = pulledAt === undefined ? MAX_LISTED : MAX_COMPARED;
    const rows = ids === undefined ? oldest.iterate() : oldestIn.all({ repos: JSON.stringify(ids), limit });
    const effort = new Effort(MAX_TAGS_EXAMINED);
    const found: (Omit<StorageReport['oldest'][number], 'unusedSince'> & { readonly usedAt: number })[] = [];
    for (const { repo: id, tag, digest, bytes, set_at } of rows) {
      const repository = visible.nameOf(id);
      if (repository !== undefined) {
        const usedAt = Math.max(set_at, pulledAt?.(repository, tag, digest) ?? 0);
        found.push({ repository, tag, digest, bytes, set: isoOf(set_at), usedAt });
      }
      if (!effort.read() || found.length === limit) break;
    }
    return found
      .toSorted((one, other) => one.usedAt - other.usedAt)
      .slice(0, MAX_LISTED)
      .map(({ usedAt, ...each }) => ({ ...each, unusedSince: isoOf(usedAt) }));
  }

  #repository(
    { id, bytes, shared, links }: RepositoryRow,
    parts: number,
    sharing: Sharing,
    visible: Visible,
  ): StorageReport['repositories'] {
    const name = visible.nameOf(id);
    if (name === undefined) return [];
    const rows = this.#statements.parts.all({ repo: id, limit: parts });
    const listed = rows.reduce((sum, { size }) => sum + size, 0);
    const rest = { count: links - rows.length, bytes: bytes - listed };
    const found = rows.map((row) => partOf(row, id, sharing, visible));
    return [{ name, bytes, shared: sharing.bytes(id, shared, links), parts: found, rest }];
  }

  /** Each with the first of the repositories that have it. */
  #largestContents(repo: RepositoryName | undefined, visible: Visible): StorageReport['largest'] {
    const sharing = new Sharing(this.#sharing, visible);
    const { largestContents, repository, parts } = this.#statements;
    const only = repo === undefined ? undefined : repository.get({ name: repo })?.id;
    if (repo !== undefined) {
      const name = only === undefined ? undefined : visible.nameOf(only);
      if (only === undefined || name === undefined) return [];
      const rows = parts.all({ repo: only, limit: MAX_LISTED });
      return rows.map((row) => ({ repository: name, ...partOf(row, only, sharing, visible) }));
    }
    const found: StorageReport['largest'][number][] = [];
    const effort = new Effort(MAX_EXAMINED);
    for (const row of largestContents.iterate()) {
      if (found.length === MAX_LISTED || sharing.isCut || !effort.read()) break;
      const [first] = sharing
        .others(row.content, 0)
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
    const rows = new Sharing(this.#sharing, visible).others(found.id, own);
    return rows.slice(0, limit).flatMap((id) => visible.nameOf(id) ?? []);
  }

  /** Repositories with each of the contents, as far as they were counted. */
  sharersOf(
    digests: readonly Digest[],
    except: RepositoryName,
    limit: number,
    visible: Visible,
  ): Map<Digest, RepositoryName[]> {
    const { content, repository } = this.#statements;
    const own = repository.get({ name: except })?.id ?? 0;
    const sharing = new Sharing(this.#sharing, visible);
    const found = new Map<Digest, RepositoryName[]>();
    for (const digest of new Set(digests)) {
      const id = content.get({ digest })?.id;
      const names = id === undefined ? [] : sharing.first(id, own, limit).flatMap((each) => visible.nameOf(each) ?? []);
      if (sharing.isCut) break;
      found.set(digest, names.sort());
    }
    return found;
  }
}

function partOf(
  { content, digest, size, links }: PartRow,
  repo: number,
  sharing: Sharing,
  visible: Visible,
): StoragePart {
  const all = Math.min(links - 1, MAX_SHARERS);
  if (visible.isAll || all === 0) return { digest, bytes: size, sharedWith: all };
  const { length } = sharing.others(content, repo);
  return { digest, bytes: size, sharedWith: sharing.isCut ? undefined : Math.min(length, MAX_SHARERS) };
}

function prepare(database: Database) {
  const tag = 't.repo, t.name AS tag, t.digest, m.total AS bytes, t.set_at';
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
    // Beginning with the tags keeps it from sorting all of them.
    oldest: database.query<TagRow, []>(
      `SELECT ${tag} FROM tag t CROSS JOIN manifest m ON m.repo = t.repo AND m.digest = t.digest ORDER BY t.set_at`,
    ),
    oldestIn: database.query<TagRow, { repos: string; limit: number }>(
      `WITH t AS MATERIALIZED (
         SELECT repo, name, digest, set_at FROM json_each($repos) v CROSS JOIN tag ON tag.repo = v.value
         ORDER BY set_at LIMIT $limit)
       SELECT ${tag} FROM t JOIN manifest m ON m.repo = t.repo AND m.digest = t.digest ORDER BY t.set_at`,
    ),
    content: database.query<{ id: number }, { digest: string }>('SELECT id FROM content WHERE digest = $digest'),
    repository: database.query<{ id: number }, { name: string }>('SELECT id FROM repository WHERE name = $name'),
  };
}
