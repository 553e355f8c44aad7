import type { Database } from 'bun:sqlite';
import { RegistryError } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { RepositoriesPage, RepositoriesRequest, RepositorySort, RepositorySummary } from './interface.ts';
import { likePattern } from './query-text.ts';
import { prepareSharing, Sharing, type SharingStatements } from './sharing.ts';
import { isoOf } from './times.ts';
import type { Visible } from './visible.ts';

const DAY_MS = 24 * 3_600_000;
/** Days for which pushes are counted. */
export const PUSH_DAYS = 30;
/** Repositories that are read together. */
const CHUNK = 500;

interface Row {
  readonly id: number;
  readonly name: RepositoryName;
  readonly bytes: number;
  readonly shared: number;
  readonly tags: number;
  readonly links: number;
  readonly pushed_at: number;
  readonly pushed_by: string | null;
  readonly description: string | null;
}

/** Where a page begins: after the repository with this value and name. */
interface Place {
  readonly value: number;
  readonly name: string;
}

/** Summaries of repositories. */
export class Repositories {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #sharing: SharingStatements;

  constructor(database: Database) {
    this.#statements = prepare(database);
    this.#sharing = prepareSharing(database);
  }

  /**
   * @param now milliseconds
   * @throws RegistryError `request-invalid` for an `after` that no page has given
   */
  page(request: RepositoriesRequest, visible: Visible, now: number): Omit<RepositoriesPage, 'isComplete'> {
    const { sort, limit } = request;
    const found: Row[] = [];
    let place = placeOf(request);
    if (visible.size === 0) return { items: [] };
    // One more tells whether another page follows.
    while (found.length <= limit) {
      const rows = this.#rows(request, place);
      for (const row of rows) if (visible.has(row.id)) found.push(row);
      const last = rows.at(-1);
      if (last === undefined || rows.length < CHUNK) break;
      place = placeAfter(last, sort);
    }
    const items = found.slice(0, limit);
    const last = items.at(-1);
    const next = found.length > limit && last !== undefined ? textOf(placeAfter(last, sort)) : undefined;
    const sharing = new Sharing(this.#sharing, visible);
    return { items: items.map((row) => this.#summary(row, sharing, now)), next };
  }

  #rows({ sort, text = '', under }: RepositoriesRequest, place: Place | undefined): readonly Row[] {
    const pattern = likePattern(text.toLowerCase());
    const [from, to] = under === undefined ? ['', '\u{10ffff}'] : [`${under}/`, `${under}0`];
    const { value, name } = place ?? { value: Number.MAX_SAFE_INTEGER, name: '' };
    return this.#statements[sort].all({ pattern, from, to, value, name, limit: CHUNK });
  }

  #summary({ id, name, bytes, shared, tags, links, ...row }: Row, sharing: Sharing, now: number): RepositorySummary {
    const { pushed_at, pushed_by, description } = row;
    return {
      ...{ name, tags, bytes },
      description: description ?? undefined,
      shared: sharing.bytes(id, shared, links),
      pushed: pushed_at === 0 ? undefined : { at: isoOf(pushed_at), by: pushed_by ?? undefined },
      pushes: this.#pushes(id, Math.floor(now / DAY_MS)),
    };
  }

  #pushes(repo: number, today: number): number[] {
    const first = today - PUSH_DAYS + 1;
    const days = Array.from({ length: PUSH_DAYS }, () => 0);
    for (const { day, pushes } of this.#statements.pushes.all({ repo, first, today })) days[day - first] = pushes;
    return days;
  }
}

function placeAfter(row: Row, sort: RepositorySort): Place {
  return { name: row.name, value: sortValue(row, sort) };
}

/** By what it is sorted before its name. */
function sortValue({ pushed_at, bytes }: Row, sort: RepositorySort): number {
  switch (sort) {
    case 'name':
      return 0;
    case 'pushed':
      return pushed_at;
    case 'size':
      return bytes;
  }
}

function textOf({ value, name }: Place): string {
  return `${value}.${name}`;
}

function placeOf({ after }: RepositoriesRequest): Place | undefined {
  if (after === undefined) return undefined;
  const { value, name } = /^(?<value>\d{1,16})\.(?<name>[a-z0-9._/-]{1,255})$/.exec(after)?.groups ?? {};
  if (value === undefined || name === undefined) {
    throw new RegistryError('request-invalid', 'after: the `next` of a page is expected');
  }
  return { value: Number(value), name };
}

function prepare(database: Database) {
  const of = (condition: string, order: string) =>
    database.query<Row, { pattern: string; from: string; to: string; value: number; name: string; limit: number }>(
      `SELECT id, name, bytes, shared, tags, links, pushed_at, pushed_by, description FROM repository
       WHERE present = 1 AND name LIKE $pattern ESCAPE '\\' AND name >= $from AND name < $to AND ${condition}
       ORDER BY ${order} LIMIT $limit`,
    );
  return {
    name: of('$value >= 0 AND name > $name', 'name'),
    pushed: of('(pushed_at, name) < ($value, $name)', 'pushed_at DESC, name DESC'),
    size: of('(bytes, name) < ($value, $name)', 'bytes DESC, name DESC'),
    pushes: database.query<{ day: number; pushes: number }, { repo: number; first: number; today: number }>(
      'SELECT day, pushes FROM push WHERE repo = $repo AND day >= $first AND day <= $today',
    ),
  };
}
