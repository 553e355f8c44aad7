import type { Database } from 'bun:sqlite';
import { Effort } from './effort.ts';
import type { Visible } from './visible.ts';

/** Contents of one repository that are looked at one by one. Of a repository with more it is not told what is shared. */
const MAX_CONTENTS = 5_000;
/** Rows that are examined for one answer. */
const MAX_EXAMINED = 20_000;
/** Sharers of one content are counted up to this number. */
export const MAX_SHARERS = 100;

/** No repository has this id. */
const HIDDEN = 0;

interface SharedContent {
  readonly content: number;
  readonly size: number;
}

/** Which content of repositories other repositories have, too, as far as one caller may see them. For one answer. */
export class Sharing {
  readonly #statements: SharingStatements;
  readonly #visible: Visible;
  readonly #effort = new Effort(MAX_EXAMINED);
  /** Two visible repositories that have the content, if there are two. */
  readonly #pairs = new Map<number, readonly number[]>();
  /** Visible repositories that have the content, up to two more than are counted. */
  readonly #counted = new Map<number, readonly number[]>();

  constructor(statements: SharingStatements, visible: Visible) {
    this.#statements = statements;
    this.#visible = visible;
  }

  /** Whether the limit on examined rows was reached: results after that are incomplete. */
  get isCut(): boolean {
    return this.#effort.isSpent;
  }

  /**
   * Bytes of a repository that another visible one has, too.
   * @param shared those that any other has
   * @param links blobs and manifests of the repository
   * @returns undefined if finding out would take too long
   */
  bytes(repo: number, shared: number, links: number): number | undefined {
    if (this.#visible.isAll || shared === 0) return shared;
    if (!this.#effort.compare(links)) return undefined;
    const contents = this.#statements.contents.all({ repo, limit: MAX_CONTENTS + 1 });
    if (contents.length > MAX_CONTENTS) return undefined;
    const sum = contents.reduce((bytes, { content, size }) => bytes + (this.#isShared(content, repo) ? size : 0), 0);
    return this.isCut ? undefined : sum;
  }

  #isShared(content: number, repo: number): boolean {
    const known = this.#pairs.get(content) ?? this.#sharers(content, 2);
    this.#pairs.set(content, known);
    return known.some((each) => each !== repo);
  }

  /** Other visible repositories that have the content, up to one more than are counted. */
  others(content: number, repo: number): readonly number[] {
    const known = this.#counted.get(content) ?? this.#sharers(content, MAX_SHARERS + 2);
    this.#counted.set(content, known);
    return known.filter((each) => each !== repo).slice(0, MAX_SHARERS + 1);
  }

  /** The first of the other visible repositories that have the content. Nothing is remembered. */
  first(content: number, repo: number, limit: number): readonly number[] {
    return this.#sharers(content, limit + 1)
      .filter((each) => each !== repo)
      .slice(0, limit);
  }

  #sharers(content: number, limit: number): readonly number[] {
    const found: number[] = [];
    if (this.isCut) return found;
    for (const repo of this.#candidates(content)) {
      if (this.#visible.has(repo)) found.push(repo);
      if (!this.#effort.read() || found.length === limit) break;
    }
    return found;
  }

  /** Repositories that may have the content. Those that have it may be many, and all of them hidden. */
  *#candidates(content: number): Iterable<number> {
    const { links, sharers, has } = this.#statements;
    if (this.#visible.isAll || (links.get({ content })?.links ?? 0) <= this.#visible.size) {
      for (const { repo } of sharers.iterate({ content })) yield repo;
      return;
    }
    for (const repo of this.#visible.ids) yield has.get({ repo, content }) === null ? HIDDEN : repo;
  }
}

export type SharingStatements = ReturnType<typeof prepareSharing>;

export function prepareSharing(database: Database) {
  return {
    contents: database.query<SharedContent, { repo: number; limit: number }>(
      `SELECT l.content, l.size FROM link l JOIN content c ON c.id = l.content
       WHERE l.repo = $repo AND c.links > 1 LIMIT $limit`,
    ),
    links: database.query<{ links: number }, { content: number }>('SELECT links FROM content WHERE id = $content'),
    has: database.query<{ repo: number }, { repo: number; content: number }>(
      'SELECT repo FROM link WHERE repo = $repo AND content = $content',
    ),
    sharers: database.query<{ repo: number }, { content: number }>('SELECT repo FROM link WHERE content = $content'),
  };
}
