import type { Database } from 'bun:sqlite';
import type { AccessPolicy, Caller } from '../access/access.ts';
import { showsTo } from '../access/shown.ts';
import type { RepositoryName } from '../oci/names.ts';

interface Listed {
  readonly id: number;
  readonly name: RepositoryName;
}

/** The repositories that exist, as they were when something was last committed. */
export class RepositoryList {
  readonly #statements;
  #version: number | undefined;
  #listed: readonly Listed[] = [];

  constructor(database: Database) {
    this.#statements = {
      version: database.query<{ data_version: number }, []>('PRAGMA data_version'),
      listed: database.query<Listed, []>('SELECT id, name FROM repository WHERE present = 1'),
    };
  }

  /** Those that the caller may list. */
  visibleTo(caller: Caller, policy: AccessPolicy): Visible {
    // Changes when another connection has committed something.
    const version = this.#statements.version.get()?.data_version;
    if (version === undefined || version !== this.#version) {
      this.#listed = this.#statements.listed.all();
      this.#version = version;
    }
    const shows = showsTo(caller, policy);
    const seen = this.#listed.filter(({ name }) => shows(name));
    return new Visible(seen, seen.length === this.#listed.length);
  }
}

/**
 * The repositories that one caller may list. Whatever is counted, ranked, added up or cut is filtered by it first, so that no result
 * depends on what the caller may not see.
 */
export class Visible {
  /** Whether these are all repositories. */
  readonly isAll: boolean;
  readonly #names: ReadonlyMap<number, RepositoryName>;
  #filter: Filter | undefined;

  constructor(listed: readonly Listed[], isAll: boolean) {
    this.#names = new Map(listed.map(({ id, name }) => [id, name]));
    this.isAll = isAll;
  }

  get size(): number {
    return this.#names.size;
  }

  get ids(): Iterable<number> {
    return this.#names.keys();
  }

  has(id: number): boolean {
    return this.#names.has(id);
  }

  /** @returns undefined for a repository that is not visible */
  nameOf(id: number): RepositoryName | undefined {
    return this.#names.get(id);
  }

  /** Parameters for `visibleIn`. */
  get filter(): Filter {
    this.#filter ??= { all: this.isAll ? 1 : 0, visible: JSON.stringify(this.isAll ? [] : [...this.#names.keys()]) };
    return this.#filter;
  }
}

/** Parameters of statements: whether all repositories are visible, or else their ids as JSON. */
export type Filter = { readonly all: number; readonly visible: string };

/** A condition of SQL: the repository in the column is visible. */
export function visibleIn(column: string): string {
  return `($all = 1 OR ${column} IN (SELECT value FROM json_each($visible)))`;
}
