import type { Database } from 'bun:sqlite';
import type { Visible } from './visible.ts';

/** Contents of one repository that are looked at one by one. Of a repository with more it is not told what is shared. */
const MAX_CONTENTS = 5_000;
/** Sharers of one content are counted up to this number. */
export const MAX_SHARERS = 100;

interface SharedContent {
  readonly content: number;
  readonly size: number;
}

/** Which content of repositories other repositories have, too, as far as one caller may see them. For one answer. */
export class Sharing {
  readonly #statements: SharingStatements;
  readonly #visible: Visible;
  /** Two visible repositories that have the content, if there are two. */
  readonly #pairs = new Map<number, readonly number[]>();

  constructor(statements: SharingStatements, visible: Visible) {
    this.#statements = statements;
    this.#visible = visible;
  }

  /**
   * Bytes of a repository that another visible one has, too.
   * @param shared those that any other has
   * @returns undefined if finding out would take too long
   */
  bytes(repo: number, shared: number): number | undefined {
    if (this.#visible.isAll || shared === 0) return shared;
    const contents = this.#statements.contents.all({ repo, limit: MAX_CONTENTS + 1 });
    if (contents.length > MAX_CONTENTS) return undefined;
    return contents.reduce((sum, { content, size }) => sum + (this.#isShared(content, repo) ? size : 0), 0);
  }

  #isShared(content: number, repo: number): boolean {
    const known = this.#pairs.get(content) ?? this.#sharers(content, 2);
    this.#pairs.set(content, known);
    return known.some((each) => each !== repo);
  }

  /** Other visible repositories that have the content. */
  others(content: number, repo: number, limit: number): readonly number[] {
    return this.#sharers(content, limit + 1)
      .filter((each) => each !== repo)
      .slice(0, limit);
  }

  #sharers(content: number, limit: number): readonly number[] {
    const found: number[] = [];
    for (const { repo } of this.#statements.sharers.iterate({ content })) {
      if (this.#visible.has(repo)) found.push(repo);
      if (found.length === limit) break;
    }
    return found;
  }
}

export type SharingStatements = ReturnType<typeof prepareSharing>;

export function prepareSharing(database: Database) {
  return {
    contents: database.query<SharedContent, { repo: number; limit: number }>(
      `SELECT l.content, l.size FROM link l JOIN content c ON c.id = l.content
       WHERE l.repo = $repo AND c.links > 1 LIMIT $limit`,
    ),
    sharers: database.query<{ repo: number }, { content: number }>('SELECT repo FROM link WHERE content = $content'),
  };
}
