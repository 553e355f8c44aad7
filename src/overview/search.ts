import type { Database } from 'bun:sqlite';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import { Effort } from './effort.ts';
import type { Hit, SearchRequest, SearchResult } from './interface.ts';
import { endOfPrefix, likePattern, matchAll, parseQuery, type Query } from './query-text.ts';
import { RANK_DIGEST, rankLabel, rankRepository, rankTag } from './ranking.ts';
import { isoOf } from './times.ts';
import type { Visible } from './visible.ts';

/** Matches of each kind that one search ranks. If there are more, the result says so. */
const MAX_ROWS = 1_000;
/** Rows that one search examines. If there are more, the result says that it is cut. */
const MAX_EXAMINED = 20_000;
/** Repositories whose tags are looked at one after another: those that other words name, or all if the caller sees only a few. */
const MAX_REPOSITORIES = 500;
/** Tags of one of them. */
const MAX_TAGS_OF_ONE = 100;
/** Characters of a trigram: a shorter text is not in the index. */
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

interface NamedTagRow extends TagRow {
  /** In lower case. */
  readonly folded: string;
}

/** For whom a search looks, and how much longer. */
interface Scope {
  readonly visible: Visible;
  readonly effort: Effort;
}

/** Finds repositories, tags, digests and labels. */
export class Search {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: Database) {
    this.#statements = prepare(database);
  }

  run({ text, offset, limit }: SearchRequest, visible: Visible): Omit<SearchResult, 'isComplete'> {
    const { words, digest } = visible.size === 0 ? NO_QUERY : parseQuery(text);
    const scope = { visible, effort: new Effort(MAX_EXAMINED) };
    const repositories = this.#repositories(words, visible);
    const digests = digest === undefined ? NOTHING : this.#digests(digest, scope);
    const tags = this.#tags(words, scope);
    const labels = this.#labels(words, scope);
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
      isCut: scope.effort.isSpent || all.some((each) => each.isCut),
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
  #tags(words: readonly string[], scope: Scope): Found {
    const { visible } = scope;
    const found = words
      .filter((word) => !word.includes('/'))
      .map((word) => {
        const others = words.filter((each) => each !== word);
        if (others.length === 0 && visible.size > MAX_REPOSITORIES) return this.#tagsNamed(word, scope);
        const repositories = [...visible.ids].filter((id) => {
          const name = visible.nameOf(id);
          return others.every((other) => name?.includes(other));
        });
        return this.#tagsIn(repositories, word, scope);
      });
    const unique = new Map(found.flatMap(({ ranked }) => ranked).map((each) => [each.name, each]));
    return { ranked: [...unique.values()], isCut: found.some(({ isCut }) => isCut) };
  }

  #tagsNamed(word: string, scope: Scope): Found {
    const { tagsWithPrefix, tagsWithText } = this.#statements;
    const rows = this.#tagsExactly(word, scope);
    // The best come first, so that they are among those that are ranked.
    if (rows.length < MAX_ROWS) {
      const range = { from: word, to: endOfPrefix(word) };
      rows.push(...seen(tagsWithPrefix.iterate(range), scope, MAX_ROWS - rows.length));
    }
    if (rows.length < MAX_ROWS && word.length >= MIN_INDEXED) {
      const isNew = ({ folded }: NamedTagRow): boolean => !folded.startsWith(word);
      const matches = tagsWithText.iterate({ match: matchAll([word]) });
      rows.push(...seen(matches, scope, MAX_ROWS - rows.length, isNew));
    }
    return { ranked: rows.flatMap((row) => rankedTag(row, word, scope.visible)), isCut: rows.length >= MAX_ROWS };
  }

  /** The newest first. Names that differ only in their case are the same here. */
  #tagsExactly(word: string, scope: Scope): TagRow[] {
    const { exactNames, tagsOf } = this.#statements;
    const names = exactNames.all({ folded: word, limit: MAX_ROWS });
    scope.effort.read(names.length);
    return names
      .flatMap((name) => seen(tagsOf.iterate(name), scope, MAX_ROWS))
      .sort((one, other) => other.set_at - one.set_at)
      .slice(0, MAX_ROWS);
  }

  #tagsIn(repositories: readonly number[], word: string, { visible, effort }: Scope): Found {
    const { tagsIn, tagCount } = this.#statements;
    const ranked: Ranked[] = [];
    let isCut = repositories.length > MAX_REPOSITORIES;
    for (const repo of repositories.slice(0, MAX_REPOSITORIES)) {
      if (!effort.compare(tagCount.get({ repo })?.tags ?? 0)) break;
      const rows = tagsIn.all({ repo, pattern: likePattern(word), limit: MAX_TAGS_OF_ONE });
      isCut ||= rows.length === MAX_TAGS_OF_ONE;
      for (const row of rows) ranked.push(...rankedTag({ repo, ...row }, word, visible));
    }
    return { ranked, isCut };
  }

  #digests(beginning: string, scope: Scope): Found {
    const { contents } = this.#statements;
    const { visible } = scope;
    const beginnings = beginning.includes(':') ? [beginning] : [`sha256:${beginning}`, `sha512:${beginning}`];
    const rows = beginnings.flatMap((from) => seen(contents.iterate({ from, to: endOfPrefix(from) }), scope, MAX_ROWS));
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

  #labels(words: readonly string[], scope: Scope): Found {
    const { labels, newestWith } = this.#statements;
    if (words.length === 0 || words.some((word) => word.length < MIN_INDEXED)) return NOTHING;
    const { visible } = scope;
    const rows = seen(labels.iterate({ match: matchAll(words) }), scope, MAX_ROWS);
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

const NO_QUERY: Query = { words: [], digest: undefined };
const NOTHING: Found = { ranked: [], isCut: false };

/** The first rows of visible repositories, as far as the effort lasts. */
function seen<Row extends { readonly repo: number }>(
  rows: Iterable<Row>,
  { visible, effort }: Scope,
  limit: number,
  isWanted: (row: Row) => boolean = () => true,
): Row[] {
  const found: Row[] = [];
  if (effort.isSpent) return found;
  for (const row of rows) {
    if (visible.has(row.repo) && isWanted(row)) found.push(row);
    if (!effort.read() || found.length >= limit) break;
  }
  return found;
}

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
  // Names without a tag are rows, too, so that they are counted as examined. No repository has the id 0.
  const tagsOrNone = 'LEFT JOIN tag t ON t.name = n.name';
  const tag = 'coalesce(t.repo, 0) AS repo, t.name, t.digest, t.set_at, n.folded';
  return {
    named: database.query<RepositoryRow, { pattern: string }>(
      `SELECT id, name, pushed_at, description FROM repository WHERE present = 1 AND name LIKE $pattern ESCAPE '\\'`,
    ),
    exactNames: database.query<{ name: string }, { folded: string; limit: number }>(
      'SELECT name FROM tag_name WHERE folded = $folded LIMIT $limit',
    ),
    tagsOf: database.query<TagRow, { name: string }>(
      'SELECT repo, name, digest, set_at FROM tag WHERE name = $name ORDER BY set_at DESC',
    ),
    tagsWithPrefix: database.query<NamedTagRow, { from: string; to: string }>(
      `SELECT ${tag} FROM tag_name n ${tagsOrNone} WHERE n.folded > $from AND n.folded < $to`,
    ),
    tagsWithText: database.query<NamedTagRow, { match: string }>(
      `SELECT ${tag} FROM tag_text x JOIN tag_name n ON n.id = x.rowid ${tagsOrNone} WHERE tag_text MATCH $match`,
    ),
    tagCount: database.query<{ tags: number }, { repo: number }>('SELECT tags FROM repository WHERE id = $repo'),
    tagsIn: database.query<Omit<TagRow, 'repo'>, { repo: number; pattern: string; limit: number }>(
      `SELECT name, digest, set_at FROM tag WHERE repo = $repo AND name LIKE $pattern ESCAPE '\\' LIMIT $limit`,
    ),
    contents: database.query<{ repo: number; digest: Digest; put_at: number | null }, { from: string; to: string }>(
      `SELECT l.repo, c.digest, m.put_at FROM content c JOIN link l ON l.content = c.id
       LEFT JOIN manifest m ON m.repo = l.repo AND m.digest = c.digest
       WHERE c.digest >= $from AND c.digest < $to`,
    ),
    labels: database.query<LabelRow, { match: string }>(
      `SELECT l.id, l.repo, l.key, l.value FROM label_text x JOIN label l ON l.id = x.rowid
       WHERE label_text MATCH $match`,
    ),
    newestWith: database.query<{ digest: Digest }, { label: number }>(
      `SELECT m.digest FROM label_of o JOIN manifest m ON m.id = o.manifest WHERE o.label = $label
       ORDER BY o.put_at DESC LIMIT 1`,
    ),
  };
}
