import type { Database } from 'bun:sqlite';
import type { RepositoryName } from '../oci/names.ts';
import { statementsOf } from './statements.ts';

const DAY_MS = 24 * 3_600_000;

/** A repository as it is changed within one transaction. */
export interface RepositoryRow {
  readonly id: number;
  seq: number;
  present: number;
  bytes: number;
  shared: number;
  tags: number;
  links: number;
  pushed_at: number;
  pushed_by: string | null;
}

/** The rows of repositories, and their pushes by day. */
export class RepositoryRows {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: Database) {
    this.#statements = prepare(database);
  }

  /** Up to which slot a repository is in the index; 0 if it is not. */
  seqOf(repo: RepositoryName): number {
    return this.#statements.repository.get({ name: repo })?.seq ?? 0;
  }

  nameOf(repo: number): RepositoryName | undefined {
    return this.#statements.nameOf.get({ repo })?.name;
  }

  /** Adds it if the index has nothing of it. */
  open(name: RepositoryName): RepositoryRow {
    const { repository, addRepository } = this.#statements;
    const found = repository.get({ name }) ?? addRepository.get({ name });
    if (found === null) throw new Error(`the index did not return the repository that was added: ${name}`);
    return found;
  }

  save({ id, seq, present, bytes, shared, tags, links, pushed_at, pushed_by }: RepositoryRow): void {
    this.#statements.save.run({ id, seq, present, bytes, shared, tags, links, pushed_at, pushed_by });
  }

  /** The author of the last push, which a state does not tell. */
  setPusher(name: RepositoryName, actor: string | undefined): void {
    this.#statements.setPusher.run({ name, actor: actor ?? null });
  }

  /** @param at milliseconds since 1970 */
  pushed(repo: RepositoryRow, at: number, actor: string | undefined): void {
    if (at >= repo.pushed_at) [repo.pushed_at, repo.pushed_by] = [at, actor ?? null];
    this.#statements.push.run({ repo: repo.id, day: Math.floor(at / DAY_MS) });
  }

  /** It was deleted: nothing of it is left but the row, so that its id always means the same name. */
  clear(repo: RepositoryRow): void {
    this.#statements.clearPushes.run({ repo: repo.id });
    repo.present = 0;
    repo.pushed_at = 0;
    repo.pushed_by = null;
  }
}

function prepare(database: Database) {
  const of = statementsOf(database);
  return {
    repository: of<RepositoryRow, { name: string }>(
      'SELECT id, seq, present, bytes, shared, tags, links, pushed_at, pushed_by FROM repository WHERE name = $name',
    ),
    addRepository: of<RepositoryRow, { name: string }>(
      `INSERT INTO repository (name, seq, present) VALUES ($name, 0, 0)
       RETURNING id, seq, present, bytes, shared, tags, links, pushed_at, pushed_by`,
    ),
    save: of<never, Record<string, string | number | null>>(
      `UPDATE repository SET seq = $seq, present = $present, bytes = $bytes, shared = $shared, tags = $tags, links = $links,
       pushed_at = $pushed_at, pushed_by = $pushed_by WHERE id = $id`,
    ),
    setPusher: of<never, { name: string; actor: string | null }>(
      'UPDATE repository SET pushed_by = $actor WHERE name = $name AND pushed_by IS NULL',
    ),
    nameOf: of<{ name: RepositoryName }, { repo: number }>('SELECT name FROM repository WHERE id = $repo'),
    push: of<never, { repo: number; day: number }>(
      `INSERT INTO push (repo, day, pushes) VALUES ($repo, $day, 1)
       ON CONFLICT (repo, day) DO UPDATE SET pushes = pushes + 1`,
    ),
    clearPushes: of<never, { repo: number }>('DELETE FROM push WHERE repo = $repo'),
  };
}
