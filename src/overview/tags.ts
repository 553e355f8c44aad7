import type { Database } from 'bun:sqlite';
import type { ContentKind } from '../inspection/interface.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import type { ManifestOverview, TagSort, TagSummary, TagsPage, TagsRequest } from './interface.ts';
import { likePattern } from './query-text.ts';
import { isoOf } from './times.ts';

interface Row {
  readonly name: Tag;
  readonly digest: Digest;
  readonly set_at: number;
  readonly set_by: string | null;
  readonly media_type: string;
  readonly artifact_type: string | null;
  readonly kind: ContentKind;
  readonly total: number;
  readonly platforms: string | null;
  readonly created: number | null;
  readonly has_attestation: number;
}

interface Badges {
  signed: boolean;
  sbom: boolean;
  attested: boolean;
}

/** The tags of one repository. */
export class Tags {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: Database) {
    this.#statements = prepare(database);
  }

  /** @returns undefined if there is no such repository */
  page(
    name: RepositoryName,
    { sort, text = '', offset, limit }: TagsRequest,
  ): Omit<TagsPage, 'isComplete'> | undefined {
    const { repository, count } = this.#statements;
    const repo = repository.get({ name });
    if (repo === null) return undefined;
    const pattern = likePattern(text);
    const { id } = repo;
    const counted = count.get({ repo: id, pattern });
    const rows = this.#statements[sort].all({ repo: id, pattern, offset, limit });
    const badges = this.#badges(id, rows);
    const all = counted?.all ?? 0;
    const folded = counted?.folded ?? 0;
    return {
      items: rows.map((row) => summaryOf(row, badges.get(row.digest))),
      count: all - folded,
      folded,
      more: offset + rows.length < all - folded,
    };
  }

  manifests(name: RepositoryName, digests: readonly Digest[]): Map<Digest, ManifestOverview> {
    const { repository, manifests } = this.#statements;
    const repo = repository.get({ name });
    const rows = repo === null ? [] : manifests.all({ repo: repo.id, digests: JSON.stringify(digests) });
    return new Map(
      rows.map(({ digest, kind, total, platforms, has_attestation }) => [
        digest,
        { kind, total, platforms: platformsIn(platforms), isAttested: has_attestation === 1 },
      ]),
    );
  }

  /** What is attached to the manifests: by their subject, or by tags that say so. */
  #badges(repo: number, rows: readonly Row[]): ReadonlyMap<Digest, Badges> {
    const { referrers, attached } = this.#statements;
    const digests = JSON.stringify([...new Set(rows.map(({ digest }) => digest))]);
    const badges = new Map<Digest, Badges>();
    const of = (digest: Digest): Badges => {
      const known = badges.get(digest) ?? { signed: false, sbom: false, attested: false };
      badges.set(digest, known);
      return known;
    };
    for (const { subject, kind } of referrers.all({ repo, digests })) {
      const found = of(subject);
      if (kind === 'signature') found.signed = true;
      if (kind === 'sbom') found.sbom = true;
      if (kind === 'attestation') found.attested = true;
    }
    for (const { attached_to, name } of attached.all({ repo, digests })) {
      const found = of(attached_to);
      if (name.endsWith('.sig')) found.signed = true;
      if (name.endsWith('.sbom')) found.sbom = true;
      if (name.endsWith('.att')) found.attested = true;
    }
    return badges;
  }
}

function summaryOf(row: Row, badges: Badges | undefined): TagSummary {
  const { name, digest, media_type, artifact_type, kind, total, set_at, set_by, platforms, created } = row;
  return {
    ...{ tag: name, digest, mediaType: media_type, kind, total, set: isoOf(set_at) },
    artifactType: artifact_type ?? undefined,
    by: set_by ?? undefined,
    platforms: platformsIn(platforms),
    created: created === null ? undefined : isoOf(created),
    badges: {
      signed: badges?.signed === true,
      sbom: badges?.sbom === true,
      attested: badges?.attested === true || row.has_attestation === 1,
    },
  };
}

function platformsIn(text: string | null): readonly string[] {
  return text === null || text === '' ? [] : text.split('\n');
}

/** Whether a tag only attaches something to a manifest that is there. */
const FOLDED = `(t.attached_to IS NOT NULL AND EXISTS
  (SELECT 1 FROM manifest s WHERE s.repo = t.repo AND s.digest = t.attached_to))`;

const ORDERS: Readonly<Record<TagSort, string>> = {
  time: 'set_at DESC, name DESC',
  name: 'name',
  version: 'version IS NULL, version DESC, set_at DESC, name DESC',
};

function prepare(database: Database) {
  const sorted = (sort: TagSort) =>
    database.query<Row, { repo: number; pattern: string; offset: number; limit: number }>(
      `WITH page AS (
         SELECT t.repo, t.name, t.digest, t.set_at, t.set_by, t.version FROM tag t
         WHERE t.repo = $repo AND t.name LIKE $pattern ESCAPE '\\' AND NOT ${FOLDED}
         ORDER BY ${ORDERS[sort]} LIMIT $limit OFFSET $offset)
       SELECT p.name, p.digest, p.set_at, p.set_by, m.media_type, m.artifact_type, m.kind, m.total, m.platforms,
         m.created, m.has_attestation
       FROM page p JOIN manifest m ON m.repo = p.repo AND m.digest = p.digest
       ORDER BY ${ORDERS[sort].replace(/\b(set_at|name|version)\b/g, 'p.$1')}`,
    );
  return {
    repository: database.query<{ id: number }, { name: string }>(
      'SELECT id FROM repository WHERE name = $name AND present = 1',
    ),
    count: database.query<{ all: number; folded: number | null }, { repo: number; pattern: string }>(
      `SELECT count(*) AS "all", sum(${FOLDED}) AS folded FROM tag t
       WHERE t.repo = $repo AND t.name LIKE $pattern ESCAPE '\\'`,
    ),
    time: sorted('time'),
    name: sorted('name'),
    version: sorted('version'),
    manifests: database.query<
      Pick<Row, 'digest' | 'kind' | 'total' | 'platforms' | 'has_attestation'>,
      { repo: number; digests: string }
    >(
      `SELECT digest, kind, total, platforms, has_attestation FROM manifest
       WHERE repo = $repo AND is_read = 1 AND digest IN (SELECT value FROM json_each($digests))`,
    ),
    referrers: database.query<{ subject: Digest; kind: string }, { repo: number; digests: string }>(
      `SELECT DISTINCT subject, kind FROM manifest
       WHERE repo = $repo AND subject IN (SELECT value FROM json_each($digests))`,
    ),
    attached: database.query<{ attached_to: Digest; name: string }, { repo: number; digests: string }>(
      `SELECT attached_to, name FROM tag
       WHERE repo = $repo AND attached_to IN (SELECT value FROM json_each($digests))`,
    ),
  };
}
