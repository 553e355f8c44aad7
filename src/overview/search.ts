import type { Database } from 'bun:sqlite';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import type { Hit, SearchRequest, SearchResult } from './interface.ts';
import { endOfPrefix, likePattern, matchAll, parseQuery } from './query-text.ts';
import { RANK_DIGEST, rankLabel, rankRepository, rankTag } from './ranking.ts';
import { isoOf } from './times.ts';
import { type Filter, type Visible, visibleIn } from './visible.ts';

/** Matches of each kind that one search ranks. If there are more, the result says so. */
const MAX_ROWS = 1_000;
/** Repositories whose tags are looked at one after another: those that other words name, or all if the caller sees only a few. */
const MAX_REPOSITORIES = 500;
/** Tags of one of them. */
const MAX_TAGS_OF_ONE = 100;
/** Trigrams need so many characters. */
const MIN_INDEXED = 3;

interface Ranked {
  readonly rank: number;
  /** Milliseconds; 0 if it is not known. */
  readonly time: number;
  readonly name: string;
  /** Reads what else is shown; undefined if it is gone. */
  readonly hit: () => Hit | undefined;
}

interface Found {
  readonly ranked: readonly Ranked[];
  readonly isCut: boolean;
}

interface TagRow {
  readonly repo: number;
  readonly name: Tag;
  readonly digest: Digest;
  readonly set_at: number;
}

/** Finds repositories, tags, digests and labels. */
export class Search {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: Database) {
    this.#statements = prepare(database);
  }

  run({ text, offset, limit }: SearchRequest, visible: Visible): Omit<SearchResult, 'isComplete'> {
    const { words, digest } = parseQuery(text);
    const repositories = this.#repositories(words, visible);
    const tags = this.#tags(words, visible);
    const digests = digest === undefined ? NOTHING : this.#digests(digest, visible);
    const labels = this.#labels(words, visible);
    const all = [repositories, tags, digests, labels];
    const ranked = all.flatMap((each) => each.ranked).sort(byRank);
    return {
      hits: ranked.slice(offset, offset + limit).flatMap(({ hit }) => hit() ?? []),
      counts: {
        repositories: repositories.ranked.length,
        tags: tags.ranked.length,
        digests: digests.ranked.length,
        labels: labels.ranked.length,
      },
      isCut: all.some((each) => each.isCut),
      more: ranked.length > offset + limit,
    };
  }

  #repositories(words: readonly string[], visible: Visible): Found {
    if (words.length === 0) return NOTHING;
    const ranked: Ranked[] = [];
    for (const { id, name, pushed_at, description } of this.#named(words)) {
      if (!visible.has(id)) continue;
      ranked.push({
        rank: rankRepository(name, words),
        time: pushed_at,
        name,
        hit: () => ({
          kind: 'repository',
          repository: name,
          description: description ?? undefined,
          pushed: pushed_at === 0 ? undefined : isoOf(pushed_at),
        }),
      });
    }
    return { ranked, isCut: false };
  }

  /** Repositories whose name has all words. There are few words, and names are short: comparing each name is faster than an index. */
  #named(words: readonly string[]): readonly RepositoryRow[] {
    const [first = '', ...others] = words;
    const rows = this.#statements.named.all({ pattern: likePattern(first) });
    return rows.filter(({ name }) => others.every((word) => name.includes(word)));
  }

  /** Tags whose name has one of the words, in repositories whose names have the others. */
  #tags(words: readonly string[], visible: Visible): Found {
    const found = words
      .filter((word) => !word.includes('/'))
      .map((word) => {
        const others = words.filter((each) => each !== word);
        if (others.length > 0)
          return this.#tagsIn(
            this.#named(others).map(({ id }) => id),
            word,
            visible,
          );
        return visible.size > MAX_REPOSITORIES
          ? this.#tagsNamed(word, visible)
          : this.#tagsIn([...visible.ids], word, visible);
      });
    const unique = new Map(found.flatMap(({ ranked }) => ranked).map((each) => [each.name, each]));
    return { ranked: [...unique.values()], isCut: found.some(({ isCut }) => isCut) };
  }

  #tagsNamed(word: string, visible: Visible): Found {
    const { exactTags, tagsWithPrefix, tagsWithText } = this.#statements;
    const { filter } = visible;
    const rows = exactTags.all({ ...filter, folded: word, limit: MAX_ROWS });
    // The best come first, so that they are among those that are ranked.
    if (rows.length < MAX_ROWS) {
      const range = { from: word, to: endOfPrefix(word), limit: MAX_ROWS - rows.length };
      for (const row of tagsWithPrefix.all({ ...filter, ...range })) rows.push(row);
    }
    if (rows.length < MAX_ROWS && word.length >= MIN_INDEXED) {
      const part = { match: matchAll([word]), prefix: word, limit: MAX_ROWS - rows.length };
      for (const row of tagsWithText.all({ ...filter, ...part })) rows.push(row);
    }
    return { ranked: rows.flatMap((row) => rankedTag(row, word, visible)), isCut: rows.length >= MAX_ROWS };
  }

  #tagsIn(repositories: readonly number[], word: string, visible: Visible): Found {
    const seen = repositories.filter((id) => visible.has(id));
    const ranked: Ranked[] = [];
    let isCut = seen.length > MAX_REPOSITORIES;
    for (const repo of seen.slice(0, MAX_REPOSITORIES)) {
      const rows = this.#statements.tagsIn.all({ repo, pattern: likePattern(word), limit: MAX_TAGS_OF_ONE });
      isCut ||= rows.length === MAX_TAGS_OF_ONE;
      for (const row of rows) ranked.push(...rankedTag({ repo, ...row }, word, visible));
    }
    return { ranked, isCut };
  }

  #digests(beginning: string, visible: Visible): Found {
    const { contents } = this.#statements;
    const beginnings = beginning.includes(':') ? [beginning] : [`sha256:${beginning}`, `sha512:${beginning}`];
    const rows = beginnings.flatMap((from) =>
      contents.all({ ...visible.filter, from, to: endOfPrefix(from), limit: MAX_ROWS }),
    );
    const ranked = rows.flatMap(({ repo, digest, put_at }): Ranked[] => {
      const repository = visible.nameOf(repo);
      if (repository === undefined) return [];
      const is = put_at === null ? 'blob' : 'manifest';
      // Blobs come behind the manifests.
      const rank = put_at === null ? RANK_DIGEST - 1 : RANK_DIGEST;
      const hit = (): Hit => ({ kind: 'digest', repository, digest, is });
      return [{ rank, time: put_at ?? 0, name: `${repository}@${digest}`, hit }];
    });
    return { ranked, isCut: rows.length >= MAX_ROWS };
  }

  #labels(words: readonly string[], visible: Visible): Found {
    const { labels, newestWith } = this.#statements;
    if (words.length === 0 || words.some((word) => word.length < MIN_INDEXED)) return NOTHING;
    const rows = labels.all({ ...visible.filter, match: matchAll(words), limit: MAX_ROWS });
    const ranked = rows.flatMap(({ id, repo, key, value }): Ranked[] => {
      const repository = visible.nameOf(repo);
      if (repository === undefined) return [];
      const hit = (): Hit | undefined => {
        const newest = newestWith.get({ label: id });
        return newest === null ? undefined : { kind: 'label', repository, key, value, digest: newest.digest };
      };
      return [{ rank: rankLabel(value.toLowerCase(), words), time: 0, name: `${repository} ${key}`, hit }];
    });
    return { ranked, isCut: rows.length >= MAX_ROWS };
  }
}

const NOTHING: Found = { ranked: [], isCut: false };

function rankedTag({ repo, name, digest, set_at }: TagRow, word: string, visible: Visible): Ranked[] {
  const repository = visible.nameOf(repo);
  if (repository === undefined) return [];
  const hit = (): Hit => ({ kind: 'tag', repository, tag: name, digest, set: isoOf(set_at) });
  return [{ rank: rankTag(name.toLowerCase(), word), time: set_at, name: `${repository}:${name}`, hit }];
}

function byRank(one: Ranked, other: Ranked): number {
  return other.rank - one.rank || other.time - one.time || (one.name < other.name ? -1 : 1);
}

interface RepositoryRow {
  readonly id: number;
  readonly name: RepositoryName;
  readonly pushed_at: number;
  readonly description: string | null;
}

interface LabelRow {
  readonly id: number;
  readonly repo: number;
  readonly key: string;
  readonly value: string;
}

function prepare(database: Database) {
  const seen = visibleIn('t.repo');
  const tags = 'SELECT t.repo, t.name, t.digest, t.set_at FROM';
  return {
    named: database.query<RepositoryRow, { pattern: string }>(
      `SELECT id, name, pushed_at, description FROM repository WHERE present = 1 AND name LIKE $pattern ESCAPE '\\'`,
    ),
    exactTags: database.query<TagRow, Filter & { folded: string; limit: number }>(
      `${tags} tag_name n JOIN tag t ON t.name = n.name WHERE n.folded = $folded AND ${seen} ORDER BY t.set_at DESC LIMIT $limit`,
    ),
    tagsWithPrefix: database.query<TagRow, Filter & { from: string; to: string; limit: number }>(
      `${tags} tag_name n JOIN tag t ON t.name = n.name WHERE n.folded > $from AND n.folded < $to AND ${seen} LIMIT $limit`,
    ),
    tagsWithText: database.query<TagRow, Filter & { match: string; prefix: string; limit: number }>(
      `${tags} tag_text x JOIN tag_name n ON n.id = x.rowid JOIN tag t ON t.name = n.name
       WHERE tag_text MATCH $match AND substr(n.folded, 1, length($prefix)) <> $prefix AND ${seen} LIMIT $limit`,
    ),
    tagsIn: database.query<Omit<TagRow, 'repo'>, { repo: number; pattern: string; limit: number }>(
      `SELECT name, digest, set_at FROM tag WHERE repo = $repo AND name LIKE $pattern ESCAPE '\\' LIMIT $limit`,
    ),
    contents: database.query<
      { repo: number; digest: Digest; put_at: number | null },
      Filter & { from: string; to: string; limit: number }
    >(
      `SELECT l.repo, c.digest, m.put_at FROM content c JOIN link l ON l.content = c.id
       LEFT JOIN manifest m ON m.repo = l.repo AND m.digest = c.digest
       WHERE c.digest >= $from AND c.digest < $to AND ${visibleIn('l.repo')} LIMIT $limit`,
    ),
    labels: database.query<LabelRow, Filter & { match: string; limit: number }>(
      `SELECT l.id, l.repo, l.key, l.value FROM label_text x JOIN label l ON l.id = x.rowid
       WHERE label_text MATCH $match AND ${visibleIn('l.repo')} LIMIT $limit`,
    ),
    newestWith: database.query<{ digest: Digest }, { label: number }>(
      `SELECT m.digest FROM label_of o JOIN manifest m ON m.id = o.manifest WHERE o.label = $label
       ORDER BY m.put_at DESC LIMIT 1`,
    ),
  };
}
